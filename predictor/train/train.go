package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

const (
	// newestShare of the finished jobs judges the new model against the one in service.
	newestShare = 0.2
	// fewest jobs that can tell which of two models is better.
	fewest = 20
)

// A Training says how to train.
type Training struct {
	Seed uint64           // of the new model
	Now  func() time.Time // stamps the model; required
}

// Fit returns a model that has observed entries, which come in order of finish, and
// the highest Sequence among them. It ends at the first error.
func Fit(entries iter.Seq2[predictor.Entry, error], seed uint64) (m *model.Model, sequence uint64, err error) {
	m = model.New(seed)
	for e, err := range entries {
		if err != nil {
			return nil, 0, err
		}
		m.Observe(e.JobRecord)
		sequence = max(sequence, e.Sequence)
	}
	return m, sequence, nil
}

// Train fits a model to the history, judges it on the newest part, and publishes it
// unless it does worse there than the champion: the sum of the pinball losses of p50
// and p90 decides, so that neither the centre nor the safe side gets worse.
//
// The newest part are the jobs submitted after four fifths of the history had
// finished, and after the champion had been trained: what it has seen cannot judge
// it. Both models replay that part walk-forward (see Backtest) and learn on as they
// would in service.
//
// The info's Reason says in words with numbers what was decided. If the model is not
// published the error is predictor.ErrNotBetter, or what kept it from being trained.
func Train(ctx context.Context, history predictor.History, models predictor.Models, o Training) (predictor.ModelInfo, error) {
	n, err := count(history.Records(ctx, time.Time{}, time.Time{}))
	if err != nil {
		return predictor.ModelInfo{}, fmt.Errorf("read history: %w", err)
	}
	if n == 0 {
		return predictor.ModelInfo{}, fmt.Errorf("train: %w", ErrNothingToJudge)
	}
	c := challenge{Training: o, model: model.New(o.Seed)}
	if err := c.observe(history.Records(ctx, time.Time{}, time.Time{}), n-int(newestShare*float64(n))); err != nil {
		return predictor.ModelInfo{}, fmt.Errorf("read history: %w", err)
	}
	champion, err := champion(ctx, models)
	if err != nil {
		return predictor.ModelInfo{}, err
	}
	verdict, err := c.judge(champion)
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

func count(entries iter.Seq2[predictor.Entry, error]) (n int, err error) {
	for _, err := range entries {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// inService is the champion; its model is nil if there is none that reads.
type inService struct {
	predictor.ModelInfo
	model *model.Model
	flaw  error // why there is no model, if one was published
}

// champion reads the model in service. One that is damaged, lost or of a newer
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
	if errors.Is(err, predictor.ErrDamaged) || errors.Is(err, predictor.ErrNotFound) {
		return inService{ModelInfo: info, flaw: err}, nil
	}
	return inService{}, fmt.Errorf("model in service %s: %w", info.Version, err)
}
