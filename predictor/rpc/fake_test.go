package rpc

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runcast/runcast/predictor"
)

// An oracle is an Estimator whose answers can be told from the jobs asked for.
type oracle struct {
	calls  atomic.Int64
	before func(context.Context) error // fails the call, or delays it; may be nil
}

func (o *oracle) begin(ctx context.Context) error {
	o.calls.Add(1)
	if o.before == nil {
		return nil
	}
	return o.before(ctx)
}

func (o *oracle) Estimate(ctx context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	estimates := make([]predictor.Estimate, len(jobs))
	for i := range jobs {
		d := time.Duration(jobs[i].Gang()) * time.Second
		estimates[i] = predictor.Estimate{
			Runtime:     predictor.Quantiles[time.Duration]{P10: d, P50: 2 * d, P90: 3 * d, P99: 4 * d},
			MeanRuntime: 2 * d, PeakMemory: predictor.Exactly(predictor.GiB), MemoryRequest: predictor.GiB + 1, Source: jobs[i].ID, Samples: 12, Model: "m1",
		}
	}
	return estimates, nil
}

func (o *oracle) Remaining(ctx context.Context, jobs []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	remaining := make([]predictor.Quantiles[time.Duration], len(jobs))
	for i := range jobs {
		remaining[i] = predictor.Exactly(time.Duration(jobs[i].Gang())*time.Hour + jobs[i].Elapsed)
	}
	return remaining, nil
}

func (o *oracle) Explain(ctx context.Context, job predictor.JobSpec) (predictor.Explanation, error) {
	estimates, err := o.Estimate(ctx, []predictor.JobSpec{job})
	if err != nil {
		return predictor.Explanation{}, err
	}
	return predictor.Explanation{
		Estimate: estimates[0],
		Groups:   []predictor.Group{{Level: "owner", Key: job.Owner, Samples: 12, Median: time.Minute, Used: true}},
		Past:     []predictor.PastRun{{ID: "1", Finished: time.Unix(1e9, 0).UTC(), Runtime: time.Minute, Outcome: predictor.Succeeded}},
		Text:     []string{"It should run for a minute."},
	}, nil
}

// A line is a Queue in memory.
type line struct {
	mu      sync.Mutex
	entries []predictor.QueueEntry
	changed chan struct{} // closed when entries change
}

func newLine(entries ...predictor.QueueEntry) *line {
	return &line{entries: entries, changed: make(chan struct{})}
}

func (l *line) set(entries ...predictor.QueueEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = entries
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *line) in(namespace string) ([]predictor.QueueEntry, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := slices.DeleteFunc(slices.Clone(l.entries), func(e predictor.QueueEntry) bool {
		return namespace != "" && e.Namespace != namespace
	})
	return found, l.changed
}

func (l *line) Waiting(_ context.Context, namespace string) ([]predictor.QueueEntry, error) {
	entries, _ := l.in(namespace)
	return entries, nil
}

func (l *line) ETA(_ context.Context, namespace, name string) (predictor.QueueEntry, error) {
	entries, _ := l.in(namespace)
	for _, e := range entries {
		if e.Name == name {
			return e, nil
		}
	}
	return predictor.QueueEntry{}, fmt.Errorf("job %s/%s: %w", namespace, name, predictor.ErrNotFound)
}

func (l *line) Load(context.Context) (predictor.QueueLoad, error) {
	load := predictor.QueueLoad{Unserved: []predictor.Demand{{Pods: 3, Request: map[string]float64{"cpu": 0.5, "nvidia.com/gpu": 16}}}}
	for _, e := range l.entries {
		load.Shares = append(load.Shares, predictor.QueueShare{Queue: e.Queue, Weight: 2, Share: 0.25, Resource: "cpu", Running: 1, Waiting: e.Position})
	}
	return load, nil
}

func (l *line) WatchWaiting(ctx context.Context, namespace string) iter.Seq2[[]predictor.QueueEntry, error] {
	return func(yield func([]predictor.QueueEntry, error) bool) {
		for {
			entries, changed := l.in(namespace)
			if !yield(entries, nil) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
	}
}
