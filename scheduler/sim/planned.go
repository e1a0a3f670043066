package sim

import (
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// planned asks scheduler.Plan.
type planned struct {
	policy scheduler.Policy
	plain  bool // tell Plan no runtimes: order of submission, nothing reserved
	strict bool // start only what starts in its turn
}

func (p *planned) dispatch(r *run, now time.Duration) ([]*task, error) {
	s, err := p.snapshot(r, now)
	if err != nil {
		return nil, err
	}
	policy := p.policy
	if r.waiting[len(r.waiting)-1].submitted < now {
		policy.ForecastEffort = 0 // nobody new asks for a forecast
	}
	var starts []*task
	for _, d := range scheduler.Plan(s, policy).Decisions {
		t := r.waiting[d.Job]
		t.reservedStart, t.nodes = d.ReservedStart, d.Nodes
		if t.submitted == now && !p.plain {
			t.promised = promise{d.StartP50, d.StartP90, d.EndP50, d.EndP90}
		}
		if d.Verdict == scheduler.Released || d.Verdict == scheduler.Backfilled && !p.strict {
			starts = append(starts, t)
		}
	}
	return starts, nil
}

// snapshot is the cluster as the plan may see it.
func (p *planned) snapshot(r *run, now time.Duration) (scheduler.Snapshot, error) {
	s := scheduler.Snapshot{
		Now:       r.begin.Add(now),
		Resources: r.Cluster.resources,
		Nodes:     r.Cluster.nodes,
		Classes:   r.classes,
		Running:   make([]scheduler.Running, 0, len(r.running)),
		Pending:   make([]scheduler.Pending, 0, len(r.waiting)),
	}
	for _, t := range r.running {
		var rest predictor.Quantiles[time.Duration]
		if !p.plain {
			var err error
			if rest, err = r.Predictor.Remaining(t.Job, &t.estimate, now-t.start); err != nil {
				return s, err
			}
		}
		s.Running = append(s.Running, scheduler.Running{ID: t.ID, Queue: t.Queue, Request: t.request, Pods: t.nodes, Started: r.begin.Add(t.start), Remaining: rest})
	}
	for _, t := range r.waiting {
		j := scheduler.Pending{
			ID: t.ID, Namespace: t.Namespace, Name: t.Name, Queue: t.Queue,
			Tier: t.Priority, Submitted: t.Submitted,
			Pods: t.pods, Request: t.request, Class: t.class,
			ReservedStart: t.reservedStart, ReservedNodes: t.nodes,
			Deadline: t.Deadline, EarliestStart: t.EarliestStart,
		}
		if !p.plain {
			j.Runtime, j.Mean = t.estimate.Runtime, t.estimate.MeanRuntime
		}
		s.Pending = append(s.Pending, j)
	}
	return s, nil
}

// wake returns the next time at which a waiting job may start that could not
// before, or has to in order to end by its deadline.
func (p *planned) wake(r *run, now time.Duration) time.Duration {
	next := never
	for _, t := range r.waiting {
		for _, at := range []time.Time{t.EarliestStart, t.Deadline.Add(-t.estimate.Runtime.P90)} {
			if d := at.Sub(r.begin); d > now {
				next = min(next, d)
			}
		}
	}
	return next
}
