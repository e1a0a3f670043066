package serve

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

// A follower is a model that learns from the log of finished jobs.
type follower struct {
	info predictor.ModelInfo
	stop context.CancelFunc // ends run; set by Live.start

	mu    sync.RWMutex // guards all below
	model *model.Model
	seen  uint64        // Sequence of the last entry learned
	moved chan struct{} // closed and replaced when seen changes
	lag   time.Duration // from the end of that entry's job to its arrival; zero if it was in training
	err   error         // of the last try to follow the log
}

// newFollower decodes an artifact, checked against the checksum of its description.
func newFollower(info predictor.ModelInfo, artifact []byte) (*follower, error) {
	if sum := model.Fingerprint(artifact); sum != info.SHA256 {
		return nil, fmt.Errorf("model %s: checksum %.8s, expected %.8s: %w", info.Version, sum, info.SHA256, predictor.ErrDamaged)
	}
	m, err := model.Decode(bytes.NewReader(artifact))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", info.Version, err)
	}
	return &follower{info: info, model: m, seen: info.Sequence, moved: make(chan struct{})}, nil
}

// run learns from what finishes until ctx ends.
func (f *follower) run(ctx context.Context, history predictor.History, log *slog.Logger) {
	retry := backoff{}
	for ctx.Err() == nil {
		f.setErr(nil)
		for e, err := range history.Follow(ctx, f.sequence()) {
			if err != nil {
				if ctx.Err() == nil {
					f.setErr(err)
					log.Warn("finished jobs cannot be followed", "model", f.info.Version, "sequence", f.sequence(), "err", err)
				}
				break
			}
			f.observe(e)
		}
		retry.wait(ctx)
	}
}

func (f *follower) setErr(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *follower) observe(e predictor.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.model.Observe(e.JobRecord)
	f.seen, f.lag = max(f.seen, e.Sequence), time.Since(e.Finished)
	close(f.moved)
	f.moved = make(chan struct{})
}

func (f *follower) sequence() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.seen
}

// reach waits until the follower has seen what goal returns, which may move; false
// if ctx ended before.
func (f *follower) reach(ctx context.Context, goal func() uint64) bool {
	for {
		f.mu.RLock()
		seen, moved := f.seen, f.moved
		f.mu.RUnlock()
		if seen >= goal() {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

func (f *follower) state() State {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return State{Model: f.info, Sequence: f.seen, Lag: f.lag, Err: f.err}
}

func (f *follower) estimate(s *predictor.JobSpec) predictor.Estimate {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e := f.model.Estimate(s)
	e.Model = f.info.Version
	return e
}

func (f *follower) remaining(j *predictor.RunningJob) predictor.Quantiles[time.Duration] {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.model.Remaining(&j.JobSpec, j.Elapsed, j.Progress)
}

func (f *follower) explain(s *predictor.JobSpec) predictor.Explanation {
	f.mu.RLock()
	defer f.mu.RUnlock()
	x := f.model.Explain(s)
	x.Estimate.Model = f.info.Version
	return x
}
