package kube

import (
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/scheduler"
)

// etas holds what was first foretold of Jobs that have to wait against what comes:
// each is counted once at its start, and once at its end if it succeeds. A Job that
// starts at once was foretold nothing.
//
// Every replica remembers, and the leader counts, so that little is lost when
// another one takes over.
type etas struct {
	metrics *metrics
	first   map[types.UID]eta
	queues  map[string]bool // with series of their own
}

// An eta is what was first foretold of a Job. The end is zero if it was not.
type eta struct {
	queue      string
	start, end forecast
	started    bool // it has, and is counted
}

type forecast struct{ p50, p90 time.Time }

func newETAs(m *metrics) *etas {
	return &etas{metrics: m, first: map[types.UID]eta{}, queues: map[string]bool{}}
}

// foretell remembers what a plan says of the Jobs that wait and of which nothing has
// been said before.
func (e *etas) foretell(s *survey, plan scheduler.Schedule) {
	for _, d := range plan.Decisions {
		p := s.waiting[d.Job]
		if _, known := e.first[p.job.UID]; known || d.Verdict.Starts() || d.StartP90.IsZero() {
			continue
		}
		e.first[p.job.UID] = eta{
			queue: p.facts.spec.Queue,
			start: forecast{d.StartP50, d.StartP90}, end: forecast{d.EndP50, d.EndP90},
		}
	}
	maps.DeleteFunc(e.first, func(uid types.UID, _ eta) bool { return !s.live[uid] })
}

// follow sees what has come of the Jobs, and counts it if this replica leads.
func (e *etas) follow(jobs []*batchv1.Job, leads bool) {
	for _, job := range jobs {
		said, ok := e.first[job.UID]
		if !ok {
			continue
		}
		if at := job.Status.StartTime; at != nil && !said.started && !suspended(job) {
			said.started = true
			e.first[job.UID] = said
			if leads {
				e.count(said.queue, "start", said.start, at.Time)
			}
		}
		if over, at := ended(job); over {
			if !at.IsZero() && !said.end.p90.IsZero() && leads {
				e.count(said.queue, "end", said.end, at)
			}
			delete(e.first, job.UID)
		}
	}
}

// ended reports whether the Job has, and when if with success.
func ended(job *batchv1.Job) (over bool, at time.Time) {
	for _, c := range job.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobFailed:
			return true, time.Time{}
		case c.Type == batchv1.JobComplete && job.Status.CompletionTime != nil:
			return true, job.Status.CompletionTime.Time
		}
	}
	return false, time.Time{}
}

// count counts one forecast. The API's times are whole seconds: what came within the
// second of a forecast came by then.
func (e *etas) count(queue, of string, said forecast, came time.Time) {
	if !e.queues[queue] && len(e.queues) >= maxQueues {
		queue = otherQueue
	}
	e.queues[queue] = true
	e.metrics.etas.WithLabelValues(queue, of).Inc()
	e.metrics.etaError.WithLabelValues(queue, of).Add(came.Sub(said.p50).Abs().Seconds())
	for level, by := range map[string]time.Time{"p50": said.p50, "p90": said.p90} {
		within := e.metrics.etasWithin.WithLabelValues(queue, of, level)
		if !came.After(by) {
			within.Inc()
		}
	}
}
