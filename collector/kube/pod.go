package kube

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A pod is what is known of one attempt. It is not changed once it is made, so
// that it can be read without a lock.
type pod struct {
	last  *corev1.Pod     // as last seen
	kills map[string]bool // the kills for memory seen so far
	gone  bool            // deleted
}

const reasonOOMKilled = "OOMKilled"

// seen returns p, which may be nil, after another look at it.
func (p *pod) seen(o *corev1.Pod) *pod {
	next := &pod{last: o}
	if p != nil {
		next.kills, next.gone = p.kills, p.gone
	}
	for _, c := range next.containers() {
		for _, s := range []corev1.ContainerState{c.LastTerminationState, c.State} {
			if s.Terminated == nil || s.Terminated.Reason != reasonOOMKilled {
				continue
			}
			kill := fmt.Sprint(c.Name, " ", s.Terminated.ContainerID, " ", s.Terminated.FinishedAt.Unix())
			if !next.kills[kill] {
				next.kills = maps.Clone(next.kills)
				if next.kills == nil {
					next.kills = map[string]bool{}
				}
				next.kills[kill] = true
			}
		}
	}
	return next
}

// containers are the states of all containers, init containers first.
func (p *pod) containers() []corev1.ContainerStatus {
	return slices.Concat(p.last.Status.InitContainerStatuses, p.last.Status.ContainerStatuses)
}

// started is when the kubelet took the pod; zero if none has.
func (p *pod) started() time.Time {
	if t := p.last.Status.StartTime; t != nil {
		return t.UTC()
	}
	return time.Time{}
}

// finished is when the last container ended; zero if one runs or its end is unknown.
func (p *pod) finished() time.Time {
	var last time.Time
	for _, c := range p.last.Status.ContainerStatuses {
		switch t := c.State.Terminated; {
		case t != nil && t.FinishedAt.After(last):
			last = t.FinishedAt.UTC()
		case t == nil && !p.over():
			return time.Time{}
		}
	}
	if d := p.disruption(); last.IsZero() && d != nil && p.over() {
		last = d.LastTransitionTime.UTC()
	}
	return last
}

// over reports whether the pod has reached its last phase.
func (p *pod) over() bool {
	return p.last.Status.Phase == corev1.PodSucceeded || p.last.Status.Phase == corev1.PodFailed
}

// runs reports whether the pod was started and, as far as is known, goes on.
func (p *pod) runs() bool {
	return !p.gone && !p.over() && !p.started().IsZero() && p.finished().IsZero()
}

func (p *pod) succeeded() bool { return p.last.Status.Phase == corev1.PodSucceeded }

// restarts is the number of container restarts.
func (p *pod) restarts() int {
	n := 0
	for _, c := range p.last.Status.ContainerStatuses {
		n += int(c.RestartCount)
	}
	return n
}

// exitCode is that with which a container last ended; nil if it has not.
func (p *pod) exitCode(container string) *int32 {
	for _, c := range p.last.Status.ContainerStatuses {
		if c.Name != container {
			continue
		}
		for _, s := range []corev1.ContainerState{c.State, c.LastTerminationState} {
			if s.Terminated != nil {
				return new(s.Terminated.ExitCode)
			}
		}
	}
	return nil
}

// oomKilled reports whether a kill for memory is the last that a container came to.
func (p *pod) oomKilled() bool {
	return slices.ContainsFunc(p.containers(), func(c corev1.ContainerStatus) bool {
		last := c.State.Terminated
		if c.State.Waiting != nil { // for its next restart
			last = c.LastTerminationState.Terminated
		}
		return last != nil && last.Reason == reasonOOMKilled
	})
}

// evicted reports whether the cluster took the pod's node away.
func (p *pod) evicted() bool {
	return slices.Contains([]string{"Evicted", "Preempted", "NodeLost"}, p.last.Status.Reason) || p.disruption() != nil
}

// disruption is the condition that says that the pod was preempted, evicted or
// lost its node; nil if it was not.
func (p *pod) disruption() *corev1.PodCondition {
	for i, c := range p.last.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return &p.last.Status.Conditions[i]
		}
	}
	return nil
}

// deadlineExceeded reports whether the pod's own deadline killed it.
func (p *pod) deadlineExceeded() bool { return p.last.Status.Reason == "DeadlineExceeded" }
