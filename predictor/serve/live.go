// Package serve keeps an Estimator in service: it follows the champion among the
// models and the log of finished jobs, and goes on with what it has while either of
// them cannot be reached.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runcast/runcast/predictor"
)

// Live is an Estimator that answers from the champion and learns from each job that
// finishes. It is safe for concurrent use.
//
//	            no model  ── local copy or champion loaded ──>  serving
//	serving     ── new champion ──>  catching up (the old one serves)  ──>  serving
//	serving     ── server gone, artifact damaged ──>  serving
type Live struct {
	models  predictor.Models
	history predictor.History
	dir     string
	log     *slog.Logger

	current atomic.Pointer[follower] // nil until the first model is loaded
	failing atomic.Pointer[error]    // why the champion cannot be had, nil if it can
	vacant  atomic.Bool              // models has said that there is no champion
}

// Options of a Live.
type Options struct {
	// Dir keeps a copy of the champion, from which the next process starts while the
	// server cannot be reached. It must exist. Empty: no copy.
	Dir string
	Log *slog.Logger // required
}

// New returns a Live that answers once Run has found a model.
func New(models predictor.Models, history predictor.History, o Options) *Live {
	return &Live{models: models, history: history, dir: o.Dir, log: o.Log}
}

const (
	// firstRetry and lastRetry bound the time between tries, which doubles.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// catchUp is how long a new model may take to learn what the one in service
	// knows. It takes over after that even if it has not: its log may be another one.
	catchUp = time.Minute
)

// Run loads the champion, and keeps up with it and with the jobs that finish,
// until ctx ends. It returns nil then; everything else is retried.
func (l *Live) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var followers sync.WaitGroup
	defer followers.Wait()
	defer cancel()

	if f, err := l.restore(); err != nil {
		l.log.Warn("no local copy of a model to start from", "dir", l.dir, "err", err)
	} else if f != nil {
		l.start(ctx, f, &followers)
		l.install(f)
	}
	retry := backoff{}
	for ctx.Err() == nil {
		l.failing.Store(nil)
		if l.current.Load() == nil { // a watch tells of a champion only
			_, err := l.models.Champion(ctx)
			l.vacant.Store(errors.Is(err, predictor.ErrNoModel))
		}
		for info, err := range l.models.Watch(ctx) {
			if err == nil {
				err = l.adopt(ctx, info, &followers)
			}
			if err != nil {
				l.failing.Store(&err)
				if ctx.Err() == nil {
					l.log.Warn("the champion cannot be loaded", "model", info.Version, "serving", l.State().Model.Version, "err", err)
				}
				if !isFinal(err) {
					break // fetch it again
				}
				continue
			}
			l.failing.Store(nil)
		}
		retry.wait(ctx)
	}
	return nil
}

// adopt makes a new champion the model that answers, after it has learned what the
// one in service has.
func (l *Live) adopt(ctx context.Context, info predictor.ModelInfo, followers *sync.WaitGroup) error {
	old := l.current.Load()
	if old != nil && old.info.Version == info.Version {
		return nil
	}
	artifact, err := l.models.Artifact(ctx, info.Version)
	if err != nil {
		return fmt.Errorf("model %s: %w", info.Version, err)
	}
	next, err := newFollower(info, artifact)
	if err != nil {
		return err
	}
	l.start(ctx, next, followers)
	if old != nil {
		late, cancel := context.WithTimeout(ctx, catchUp)
		defer cancel()
		if !next.reach(late, old.sequence) && ctx.Err() == nil {
			l.log.Warn("the new model takes over before it has caught up", "model", info.Version, "sequence", next.sequence(), "behind", old.info.Version)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.install(next)
	if err := l.save(info, artifact); err != nil {
		l.log.Warn("the local copy of the model is not up to date", "dir", l.dir, "err", err)
	}
	return nil
}

// start lets a model learn from what finishes, until ctx ends or the model is retired.
func (l *Live) start(ctx context.Context, f *follower, followers *sync.WaitGroup) {
	ctx, f.stop = context.WithCancel(ctx)
	followers.Go(func() { f.run(ctx, l.history, l.log) })
}

// install puts a model in service and retires the one before it.
func (l *Live) install(next *follower) {
	if old := l.current.Swap(next); old != nil {
		old.stop()
	}
	l.log.Info("model in service", "model", next.info.Version, "records", next.info.Records, "sequence", next.sequence())
}

// Estimate implements predictor.Estimator.
func (l *Live) Estimate(_ context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	f, err := l.ready(len(jobs), func(i int) *predictor.JobSpec { return &jobs[i] })
	if err != nil {
		return nil, err
	}
	out := make([]predictor.Estimate, len(jobs))
	for i := range jobs {
		out[i] = f.estimate(&jobs[i])
	}
	return out, nil
}

// Remaining implements predictor.Estimator.
func (l *Live) Remaining(_ context.Context, jobs []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	f, err := l.ready(len(jobs), func(i int) *predictor.JobSpec { return &jobs[i].JobSpec })
	if err != nil {
		return nil, err
	}
	out := make([]predictor.Quantiles[time.Duration], len(jobs))
	for i := range jobs {
		out[i] = f.remaining(&jobs[i])
	}
	return out, nil
}

// Explain implements predictor.Estimator.
func (l *Live) Explain(_ context.Context, job predictor.JobSpec) (predictor.Explanation, error) {
	f, err := l.ready(1, func(int) *predictor.JobSpec { return &job })
	if err != nil {
		return predictor.Explanation{}, err
	}
	return f.explain(&job), nil
}

// ready returns the model in service, after validating the jobs.
func (l *Live) ready(n int, job func(int) *predictor.JobSpec) (*follower, error) {
	f := l.current.Load()
	if f == nil {
		return nil, predictor.ErrNoModel
	}
	for i := range n {
		if err := job(i).Validate(); err != nil {
			return nil, fmt.Errorf("job %d: %w", i, err)
		}
	}
	return f, nil
}

// State is where a Live stands, for health checks and metrics.
type State struct {
	Model    predictor.ModelInfo // in service; zero if none is
	Vacant   bool                // there is no champion: when last asked, Models said so
	Sequence uint64              // last entry of the log that it has learned from
	// Lag is how long after the end of that entry's job it arrived; zero until one has
	// arrived since the model was loaded.
	Lag time.Duration
	// Err is why the champion or the log could not be followed when that was last tried;
	// nil if they can be, and also while there is no champion to follow.
	Err error
}

// State returns where l stands.
func (l *Live) State() State {
	var s State
	if f := l.current.Load(); f != nil {
		s = f.state()
	} else {
		s.Vacant = l.vacant.Load()
	}
	if err := l.failing.Load(); err != nil {
		s.Err = *err
	}
	return s
}
