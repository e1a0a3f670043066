package kube

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// view is the last plan as people ask for it. It is a predictor.Queue.
type view struct {
	mu      sync.Mutex
	waiting []predictor.QueueEntry // in planned order; replaced, never changed
	running []predictor.QueueEntry
	load    predictor.QueueLoad // replaced, never changed
	changed chan struct{}       // closed when waiting is replaced
}

func newView() *view { return &view{changed: make(chan struct{})} }

// show replaces the view, and returns the new load.
func (v *view) show(s *survey, plan scheduler.Schedule) predictor.QueueLoad {
	waiting := make([]predictor.QueueEntry, 0, len(plan.Decisions))
	for i, d := range plan.Decisions {
		p := s.waiting[d.Job]
		n := p.tell(d)
		waiting = append(waiting, predictor.QueueEntry{
			Namespace: p.job.Namespace, Name: p.job.Name, Queue: p.facts.spec.Queue,
			Position:  i + 1,
			Submitted: s.Pending[d.Job].Submitted,
			StartP50:  d.StartP50, StartP90: d.StartP90, EndP50: d.EndP50, EndP90: d.EndP90,
			Decision: n.text(),
			Estimate: p.estimate,
		})
	}
	running := make([]predictor.QueueEntry, 0, len(s.running))
	for _, r := range s.running {
		running = append(running, r.entry(s.Now))
	}
	load := loadOf(s, plan)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running, v.load = running, load
	if !slices.Equal(v.waiting, waiting) {
		v.waiting = waiting
		close(v.changed)
		v.changed = make(chan struct{})
	}
	return load
}

func (r *running) entry(now time.Time) predictor.QueueEntry {
	e := predictor.QueueEntry{
		Namespace: r.job.Namespace, Name: r.job.Name, Queue: r.facts.spec.Queue,
		Submitted: r.job.CreationTimestamp.UTC(),
		Decision:  r.job.Annotations[jobspec.AnnotationDecision],
		Estimate:  r.estimate,
	}
	e.StartP50, e.StartP90 = r.started.UTC(), r.started.UTC()
	if r.started.IsZero() { // its pods are about to be placed
		e.StartP50, e.StartP90 = now, now
	}
	if !r.left.IsZero() {
		e.EndP50, e.EndP90 = now.Add(r.left.P50), now.Add(r.left.P90)
	}
	return e
}

func (v *view) get() (waiting, running []predictor.QueueEntry, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.waiting, v.running, v.changed
}

// Waiting implements predictor.Queue. Positions count all namespaces.
func (v *view) Waiting(_ context.Context, namespace string) ([]predictor.QueueEntry, error) {
	waiting, _, _ := v.get()
	return within(waiting, namespace), nil
}

// ETA implements predictor.Queue. It knows every Job that has pods, of the queue or not.
func (v *view) ETA(_ context.Context, namespace, name string) (predictor.QueueEntry, error) {
	waiting, running, _ := v.get()
	for _, entries := range [][]predictor.QueueEntry{waiting, running} {
		for _, e := range entries {
			if e.Namespace == namespace && e.Name == name {
				return e, nil
			}
		}
	}
	return predictor.QueueEntry{}, fmt.Errorf("job %s/%s: %w", namespace, name, predictor.ErrNotFound)
}

// WatchWaiting implements predictor.Queue.
func (v *view) WatchWaiting(ctx context.Context, namespace string) iter.Seq2[[]predictor.QueueEntry, error] {
	return func(yield func([]predictor.QueueEntry, error) bool) {
		var last []predictor.QueueEntry
		for first := true; ; first = false {
			waiting, _, changed := v.get()
			if entries := within(waiting, namespace); first || !slices.Equal(entries, last) {
				if !yield(entries, nil) {
					return
				}
				last = entries
			}
			select {
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case <-changed:
			}
		}
	}
}

// within returns the entries of a namespace, "" for all, as the caller's own.
func within(entries []predictor.QueueEntry, namespace string) []predictor.QueueEntry {
	entries = slices.Clone(entries)
	if namespace == "" {
		return entries
	}
	return slices.DeleteFunc(entries, func(e predictor.QueueEntry) bool { return e.Namespace != namespace })
}
