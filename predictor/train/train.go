package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
	"github.com/runcast/runcast/predictor/model"
)

const (
	// newestShare of the submissions judges the new model against the one in service.
	newestShare = 0.2
	// fewest jobs that can tell which of two models is better.
	fewest = 20
)

// A Training says how to train.
type Training struct {
	Seed uint64           // of the new model
	Now  func() time.Time // stamps the model; required
}

// Train fits a model to the history, judges it on the newest part, and publishes it
// unless it does worse there than the champion: the sum of the pinball losses of p50
// and p90 decides, so that neither the centre nor the safe side gets worse.
//
// The newest part are the last fifth of the submissions, as far as they came after
// the last job to finish that the champion was trained on: what it has seen cannot
// judge it. Both models learn from all that had finished before, then replay that part
// walk-forward (see Backtest) and learn on, as they would in service.
//
// The info's Reason says in words with numbers what was decided. If the model is not
// published the error is predictor.ErrNotBetter, or what kept it from being trained:
// ErrNothingToJudge if no job has run yet.
func Train(ctx context.Context, history predictor.History, models predictor.Models, o Training) (predictor.ModelInfo, error) {
	all := func() iter.Seq2[predictor.Entry, error] { return history.Records(ctx, time.Time{}, time.Time{}) }
	submitted, sequence, err := submissions(all())
	if err != nil {
		return predictor.ModelInfo{}, fmt.Errorf("read history: %w", err)
	}
	if len(submitted) == 0 {
		return predictor.ModelInfo{}, fmt.Errorf("train: %w", ErrNothingToJudge)
	}
	old, err := champion(ctx, models)
	if err != nil {
		return predictor.ModelInfo{}, err
	}
	c := challenge{Training: o, model: model.New(o.Seed), champion: old, sequence: sequence}
	c.from = later(submitted[int((1-newestShare)*float64(len(submitted)))], old.trained())
	if err := c.observe(all()); err != nil {
		return predictor.ModelInfo{}, fmt.Errorf("read history: %w", err)
	}
	verdict, err := c.judge()
	if err != nil {
		return predictor.ModelInfo{}, err
	}
	info, artifact, err := c.artifact()
	if err != nil {
		return info, err
	}
	info.Reason = verdict.reason
	if verdict.err != nil {
		return info, verdict.err
	}
	if err := models.Publish(ctx, info, bytes.NewReader(artifact)); err != nil {
		return info, fmt.Errorf("publish model %s: %w", info.Version, err)
	}
	return info, nil
}

// submissions returns when the jobs that ran were submitted, in ascending order, and the
// sequence of the last entry. Any entry up to there stands in the history by now; of those
// that come while it is read once more, some are read and others not.
func submissions(entries iter.Seq2[predictor.Entry, error]) (submitted []time.Time, last uint64, err error) {
	for e, err := range entries {
		if err != nil {
			return nil, 0, err
		}
		last = max(last, e.Sequence)
		if !e.Started.IsZero() {
			submitted = append(submitted, features.Submitted(&e.JobRecord))
		}
	}
	slices.SortFunc(submitted, time.Time.Compare)
	return submitted, last, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// inService is the champion; its model is nil if there is none that reads.
type inService struct {
	predictor.ModelInfo
	model *model.Model
	flaw  error // why there is no model, if one was published
}

// champion reads the model in service. One that is damaged, lost or of another
// schema is as good as none: a new model is to take its place.
func champion(ctx context.Context, models predictor.Models) (inService, error) {
	info, err := models.Champion(ctx)
	if errors.Is(err, predictor.ErrNoModel) {
		return inService{}, nil
	} else if err != nil {
		return inService{}, fmt.Errorf("model in service: %w", err)
	}
	b, err := models.Artifact(ctx, info.Version)
	if err == nil {
		var m *model.Model
		if m, err = model.Decode(bytes.NewReader(b)); err == nil {
			return inService{ModelInfo: info, model: m}, nil
		}
	}
	for _, flaw := range []error{predictor.ErrDamaged, predictor.ErrNotFound, predictor.ErrNewerSchema, predictor.ErrOlderSchema} {
		if errors.Is(err, flaw) {
			return inService{ModelInfo: info, flaw: err}, nil
		}
	}
	return inService{}, fmt.Errorf("model in service %s: %w", info.Version, err)
}

// has reports whether the champion was trained on an entry.
func (s *inService) has(e predictor.Entry) bool { return s.model != nil && e.Sequence <= s.Sequence }

// trained is when the champion had seen all that had finished; zero if there is none
// that reads. A clock that ran ahead may have stamped a finish later than the training
// itself: that must not keep the jobs of the years until then from judging.
func (s *inService) trained() time.Time {
	switch {
	case s.model == nil:
		return time.Time{}
	case s.Created.IsZero() || s.To.Before(s.Created):
		return s.To
	}
	return s.Created
}
