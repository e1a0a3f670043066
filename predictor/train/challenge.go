package train

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

// challenge is a new model under way to being judged.
type challenge struct {
	Training
	model    *model.Model      // has observed all but newest, then everything
	newest   []predictor.Entry // by finish
	split    time.Time         // last finish before newest
	sequence uint64
	scores   Metrics
}

// observe teaches the model the first entries and keeps the rest.
func (c *challenge) observe(entries iter.Seq2[predictor.Entry, error], first int) error {
	i := 0
	for e, err := range entries {
		if err != nil {
			return err
		}
		c.sequence = max(c.sequence, e.Sequence)
		if i++; i <= first {
			c.model.Observe(e.JobRecord)
			c.split = e.Finished
		} else {
			c.newest = append(c.newest, e)
		}
	}
	return nil
}

// A verdict is whether the new model replaces the champion (err nil), and why.
type verdict struct {
	reason string
	err    error
}

// judge replays the newest part with both models.
func (c *challenge) judge(champion inService) (verdict, error) {
	from := c.split
	if champion.model != nil && champion.To.After(from) {
		from = champion.To
	}
	jobs, scores, err := replayNewest(c.model, c.newest, from, 0)
	if err != nil {
		return verdict{}, err
	}
	c.scores = scores
	said := fmt.Sprintf("pinball loss p50 %.1f s and p90 %.1f s on the newest %d jobs", scores.PinballP50, scores.PinballP90, jobs)
	switch {
	case champion.flaw != nil:
		return verdict{reason: fmt.Sprintf("%s; the model in service, %s, cannot be read: %v", said, champion.Version, champion.flaw)}, nil
	case champion.model == nil:
		return verdict{reason: "the first model; " + said}, nil
	case jobs < fewest:
		return refuse("only %d jobs were submitted and succeeded since model %s was trained; %d are needed to compare", jobs, champion.Version, fewest), nil
	}
	_, old, err := replayNewest(champion.model, c.newest, from, champion.Sequence)
	if err != nil {
		return verdict{}, err
	}
	than := fmt.Sprintf("%s, against %.1f s and %.1f s of model %s", said, old.PinballP50, old.PinballP90, champion.Version)
	if scores.PinballP50+scores.PinballP90 > old.PinballP50+old.PinballP90 {
		return refuse("%s", than), nil
	}
	return verdict{reason: than}, nil
}

func refuse(format string, args ...any) verdict {
	reason := fmt.Sprintf(format, args...)
	return verdict{reason, fmt.Errorf("%s: %w", reason, predictor.ErrNotBetter)}
}

// replayNewest backtests a model that has seen the history up to sequence, judged
// by the jobs submitted from a time on, and teaches it all of newest.
func replayNewest(m *model.Model, newest []predictor.Entry, from time.Time, seen uint64) (jobs int, _ Metrics, _ error) {
	records := make([]predictor.JobRecord, 0, len(newest))
	for _, e := range newest {
		if e.Sequence == 0 || e.Sequence > seen {
			records = append(records, e.JobRecord)
		}
	}
	rep, err := Backtest(records, Options{From: from, Model: m, Now: func() time.Time { return time.Time{} }})
	if errors.Is(err, ErrNothingToJudge) {
		return 0, Metrics{}, nil
	}
	return rep.Jobs, rep.Predictors[Runcast], err
}

// artifact encodes the model and describes it.
func (c *challenge) artifact() (predictor.ModelInfo, []byte, error) {
	var b bytes.Buffer
	if err := c.model.Encode(&b); err != nil {
		return predictor.ModelInfo{}, nil, fmt.Errorf("encode model: %w", err)
	}
	now, sum := c.Now().UTC(), model.Fingerprint(b.Bytes())
	info := predictor.ModelInfo{
		Version: now.Format("20060102T150405Z") + "-" + sum[:8], Created: now,
		SHA256: sum, Size: int64(b.Len()), Schema: model.Schema,
		Sequence: c.sequence, PinballP50: c.scores.PinballP50, PinballP90: c.scores.PinballP90,
	}
	info.Records, info.From, info.To = c.model.Records()
	return info, b.Bytes(), nil
}
