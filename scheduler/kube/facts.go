package kube

import (
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

// jobFacts are what planning needs to know of a Job, computed once for each of
// its versions.
type jobFacts struct {
	id        string // namespace/name@created, what a plan calls it
	spec      predictor.JobSpec
	request   amounts // of one pod
	placement placement
	preferred []string // nodes
	deadline  time.Time
	earliest  time.Time
	rightSize jobspec.RightSize
	served    *predictor.Estimate // as annotated; nil if not
	problems  []jobspec.Problem
	priority  *jobspec.Problem // of its PriorityClass, which may yet be created
}

func jobFactsOf(job *batchv1.Job, cluster string) *jobFacts {
	f := &jobFacts{
		request:   templateRequest(&job.Spec.Template),
		placement: placementOf(&job.Spec.Template.Spec),
		preferred: preferredNodes(job.Spec.Template.Spec.Affinity),
	}
	f.spec, f.problems = jobspec.FromJob(job, 0)
	f.id = fullName(job) + "@" + strconv.FormatInt(job.CreationTimestamp.Unix(), 10)
	f.spec.Cluster, f.spec.ID = cluster, f.id
	if cluster != "" {
		f.spec.ID = cluster + "/" + f.id
	}
	var p []jobspec.Problem
	f.deadline, p = jobspec.Deadline(job)
	f.problems = append(f.problems, p...)
	f.earliest, p = jobspec.EarliestStart(job)
	f.problems = append(f.problems, p...)
	f.rightSize, p = jobspec.RightSizeOf(job)
	f.problems = append(f.problems, p...)
	f.served, p = jobspec.Served(job.Annotations)
	f.problems = append(f.problems, p...)
	return f
}

// all are the problems of the Job and of its PriorityClass.
func (f *jobFacts) all() []jobspec.Problem {
	if f.priority == nil {
		return f.problems
	}
	return append(slices.Clone(f.problems), *f.priority)
}

// podFacts are the same of a Pod.
type podFacts struct {
	uid     types.UID
	name    string    // namespace/name
	node    string    // empty until it is bound
	job     types.UID // of the Job that controls it, if any
	request amounts
	// placement and the preferred nodes are set for a pod that is not bound.
	placement placement
	preferred []string
	started   time.Time // by the kubelet; zero if not yet
	ended     bool      // takes no room any more
	gated     bool      // kube-scheduler does not look at it yet
	unplaced  time.Time // since when kube-scheduler finds no node; zero if it has not looked or has found one
	leaving   time.Time // by when it is gone; zero if it stays
}

func podFactsOf(pod *corev1.Pod) *podFacts {
	f := &podFacts{
		uid:     pod.UID,
		name:    pod.Namespace + "/" + pod.Name,
		node:    pod.Spec.NodeName,
		job:     controllingJob(pod),
		request: podRequest(pod),
		ended:   podEnded(pod),
		gated:   len(pod.Spec.SchedulingGates) > 0,
	}
	if f.node == "" {
		f.placement = placementOf(&pod.Spec)
		f.preferred = preferredNodes(pod.Spec.Affinity)
		f.unplaced = unplacedSince(pod)
	}
	if pod.Status.StartTime != nil {
		f.started = pod.Status.StartTime.Time
	}
	if pod.DeletionTimestamp != nil {
		f.leaving = pod.DeletionTimestamp.Time
	}
	return f
}

// controllingJob is the UID of the batch/v1 Job that made the pod, if one did.
func controllingJob(pod *corev1.Pod) types.UID {
	if o := metav1.GetControllerOf(pod); o != nil && o.Kind == "Job" && o.APIVersion == batchv1.SchemeGroupVersion.String() {
		return o.UID
	}
	return ""
}

// podEnded reports whether the pod has given its room back: its phase says so, or
// all its containers have ended for good. The Job's own status tells about a
// second later.
func podEnded(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	if len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) || len(pod.Spec.Containers) == 0 {
		return false
	}
	for _, c := range pod.Spec.Containers {
		if c.RestartPolicy != nil { // rules of its own: wait for the phase
			return false
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch t := c.State.Terminated; {
		case t == nil, pod.Spec.RestartPolicy == corev1.RestartPolicyAlways,
			pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && t.ExitCode != 0:
			return false
		}
	}
	return true
}

// unplacedSince is when kube-scheduler found no node for the pod; zero if it has not.
func unplacedSince(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// memo keeps what was computed of an object until another version of it is seen.
type memo[T, V any] struct {
	values map[types.UID]*memoized[T, V]
	round  int
}

type memoized[T, V any] struct {
	of    *T
	value V
	round int
}

// get returns f's result for the object of that UID, computed once.
func (m *memo[T, V]) get(uid types.UID, of *T, f func() V) V {
	e := m.values[uid]
	if e == nil || e.of != of {
		e = &memoized[T, V]{of: of, value: f()}
		if m.values == nil {
			m.values = map[types.UID]*memoized[T, V]{}
		}
		m.values[uid] = e
	}
	e.round = m.round
	return e.value
}

// sweep forgets the objects for which get was not called since the last sweep.
func (m *memo[T, V]) sweep() {
	for uid, e := range m.values {
		if e.round != m.round {
			delete(m.values, uid)
		}
	}
	m.round++
}
