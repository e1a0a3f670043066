package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
)

// How long answers of the predictor are used, and how it is asked. Chosen, not
// measured: an estimate costs microseconds, so the batches bound the message, not
// the work.
const (
	runtimeFresh   = time.Minute      // an estimate; asked again earlier if the model changed
	modelFresh     = 5 * time.Second  // …but not earlier than this: two replicas may serve two models
	remainingFresh = 15 * time.Second // a remaining time
	questionBatch  = 1000             // jobs in one call
	minPause       = time.Second      // after a failed call; doubled up to maxPause
	maxPause       = 30 * time.Second
)

// forecasts holds what the predictor said. It asks in the background and never
// makes a plan wait. While the predictor does not answer it is asked ever more
// rarely, and answers as old as they may be are used; fallback.go has the rest.
type forecasts struct {
	est     predictor.Estimator // nil: there is none
	timeout time.Duration
	log     *slog.Logger
	metrics *metrics
	changed func() // called when there is news

	progress progress // of whoever is asking

	mu        sync.Mutex
	runtimes  map[types.UID]runtimeAnswer
	remaining map[types.UID]remainingAnswer
	awaited   map[types.UID]time.Time // jobs without an answer, since when
	model     string                  // of the last answer
	asking    bool
	failures  int // in a row
	notBefore time.Time
}

type runtimeAnswer struct {
	predictor.Estimate
	at time.Time
}

type remainingAnswer struct {
	predictor.Quantiles[time.Duration]
	at time.Time
}

// A question is about one Job.
type question struct {
	uid     types.UID
	spec    *predictor.JobSpec
	started time.Time // zero: not started
	pods    []string  // that run, by namespace/name
}

// own gives the question a spec that nobody changes while it is being asked.
func (q question) own() question {
	spec := *q.spec
	q.spec = &spec
	return q
}

func newForecasts(est predictor.Estimator, cfg *Config, log *slog.Logger, m *metrics, changed func()) *forecasts {
	return &forecasts{
		est: est, timeout: cfg.PredictorTimeout, log: log, metrics: m, changed: changed,
		progress:  progress{ask: cfg.Progress},
		runtimes:  map[types.UID]runtimeAnswer{},
		remaining: map[types.UID]remainingAnswer{},
		awaited:   map[types.UID]time.Time{},
	}
}

// ask starts asking about those jobs whose answers are missing or old, unless it
// is under way or the predictor was down a moment ago. It returns at once; wait
// is done when the asking is. Other jobs' answers are forgotten.
func (f *forecasts) ask(ctx context.Context, wait *sync.WaitGroup, jobs []question, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetOthers(jobs)
	if f.est == nil || f.asking || now.Before(f.notBefore) {
		return
	}
	var specs, runs []question
	for _, q := range jobs {
		a, ok := f.runtimes[q.uid]
		if age := now.Sub(a.at); !ok || age >= runtimeFresh || a.Model != f.model && age >= modelFresh {
			specs = append(specs, q.own())
		}
		if r, ok := f.remaining[q.uid]; !q.started.IsZero() && (!ok || now.Sub(r.at) >= remainingFresh) {
			runs = append(runs, q.own())
		}
	}
	if len(specs)+len(runs) == 0 {
		return
	}
	f.asking = true
	wait.Go(func() { f.fetch(ctx, specs, runs) })
}

func (f *forecasts) forgetOthers(jobs []question) {
	if len(f.runtimes)+len(f.remaining)+len(f.awaited) <= 3*len(jobs) {
		return // nothing much to forget
	}
	live := make(map[types.UID]bool, len(jobs))
	for _, q := range jobs {
		live[q.uid] = true
	}
	maps.DeleteFunc(f.runtimes, func(uid types.UID, _ runtimeAnswer) bool { return !live[uid] })
	maps.DeleteFunc(f.remaining, func(uid types.UID, _ remainingAnswer) bool { return !live[uid] })
	maps.DeleteFunc(f.awaited, func(uid types.UID, _ time.Time) bool { return !live[uid] })
}

// fetch asks batch by batch and ends at the first failure.
func (f *forecasts) fetch(ctx context.Context, specs, runs []question) {
	err := batches(specs, func(batch []question) error { return f.fetchRuntimes(ctx, batch) })
	if err == nil && len(runs) > 0 {
		f.fetchProgress(ctx)
		err = batches(runs, func(batch []question) error { return f.fetchRemaining(ctx, batch) })
	}
	f.mu.Lock()
	f.asking = false
	switch {
	case err != nil && ctx.Err() == nil:
		pause := min(minPause<<min(f.failures, 16), maxPause)
		f.notBefore = time.Now().Add(pause)
		if f.failures++; f.failures == 1 {
			f.log.Warn("predictor does not answer, planning without", "error", err)
		}
		f.metrics.predictorErrors.Inc()
	case err == nil && f.failures > 0:
		f.log.Info("predictor answers again", "failures", f.failures)
		f.failures = 0
	}
	f.mu.Unlock()
	f.changed()
}

// batches calls for all jobs, some at a time. A job that the predictor does not
// accept costs the others of its batch nothing but another call.
func batches(jobs []question, call func([]question) error) error {
	for len(jobs) > 0 {
		n := min(len(jobs), questionBatch)
		err := call(jobs[:n])
		if n > 1 && rejected(err) {
			err = errors.Join(batches(jobs[:n/2], call), batches(jobs[n/2:n], call))
		}
		if err != nil {
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

// rejected reports whether the predictor answered that a question is invalid.
func rejected(err error) bool {
	var invalid *predictor.ValidationError
	return errors.As(err, &invalid)
}

func (f *forecasts) fetchRuntimes(ctx context.Context, batch []question) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	specs := make([]predictor.JobSpec, len(batch))
	for i, q := range batch {
		specs[i] = *q.spec
	}
	estimates, err := f.est.Estimate(ctx, specs)
	if len(batch) == 1 && rejected(err) {
		f.log.Warn("predictor rejects the job, planning it without", "job", batch[0].spec.ID, "error", err)
		estimates, err = make([]predictor.Estimate, 1), nil
	}
	if err != nil {
		return err
	}
	if len(estimates) != len(batch) {
		return fmt.Errorf("predictor: %d estimates for %d jobs", len(estimates), len(batch))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for i, q := range batch {
		f.runtimes[q.uid] = runtimeAnswer{estimates[i], now}
		f.model = cmp.Or(estimates[i].Model, f.model)
		delete(f.awaited, q.uid)
	}
	return nil
}

func (f *forecasts) fetchProgress(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if f.progress.update(bounded, time.Now()) && ctx.Err() == nil {
		f.log.Warn("nobody tells how far running jobs are, planning without", "error", f.progress.err)
	}
}

func (f *forecasts) fetchRemaining(ctx context.Context, batch []question) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	now := time.Now()
	jobs := make([]predictor.RunningJob, len(batch))
	for i, q := range batch {
		jobs[i] = predictor.RunningJob{JobSpec: *q.spec, Elapsed: max(now.Sub(q.started), 0), Progress: f.progress.of(q.pods)}
	}
	remaining, err := f.est.Remaining(ctx, jobs)
	if len(batch) == 1 && rejected(err) {
		remaining, err = make([]predictor.Quantiles[time.Duration], 1), nil
	}
	if err != nil {
		return err
	}
	if len(remaining) != len(batch) {
		return fmt.Errorf("predictor: %d remaining times for %d jobs", len(remaining), len(batch))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, q := range batch {
		f.remaining[q.uid] = remainingAnswer{remaining[i], now}
	}
	return nil
}

// awaits reports whether a job should not be planned yet because its first
// estimate is about to arrive: never for longer than the timeout, and not at all
// while the predictor is down.
func (f *forecasts) awaits(uid types.UID, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.runtimes[uid]; ok || f.est == nil || f.failures > 0 {
		return false
	}
	since, ok := f.awaited[uid]
	if !ok {
		since = now
		f.awaited[uid] = now
	}
	return now.Sub(since) < f.timeout
}
