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

// challenge is a new model under way to being judged beside the champion.
type challenge struct {
	Training
	champion inService
	model    *model.Model
	from     time.Time             // the jobs submitted from then on judge
	newest   []predictor.JobRecord // what finished after from, which neither model has seen yet
	sequence uint64                // the model has seen every entry up to it
	scores   Metrics
}

// observe teaches each model what it has not seen of what had finished by the time
// from, and keeps the rest.
func (c *challenge) observe(entries iter.Seq2[predictor.Entry, error]) error {
	for e, err := range entries {
		if err != nil {
			return err
		}
		seen := c.champion.has(e)
		if e.Finished.After(c.from) && !seen {
			c.newest = append(c.newest, e.JobRecord)
			continue
		}
		c.model.Observe(e.JobRecord)
		if c.champion.model != nil && !seen {
			c.champion.model.Observe(e.JobRecord)
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
func (c *challenge) judge() (verdict, error) {
	jobs, scores, err := c.replay(c.model)
	if err != nil {
		return verdict{}, err
	}
	c.scores = scores
	since, old := c.from.UTC().Format(time.DateTime+" UTC"), &c.champion
	said := fmt.Sprintf("pinball loss %.1f s at p50 and %.1f s at p90 on the jobs submitted since %s (%d succeeded)",
		scores.PinballP50, scores.PinballP90, since, jobs)
	if jobs == 0 {
		said = fmt.Sprintf("not judged: no job submitted since %s has succeeded", since)
	}
	switch {
	case old.Version == "":
		return verdict{reason: "the first model; " + said}, nil
	case old.model == nil:
		return verdict{reason: fmt.Sprintf("%s; the model in service, %s, cannot be read: %v", said, old.Version, old.flaw)}, nil
	case jobs < fewest:
		return refuse("of the jobs submitted since %s only %d succeeded; %d are needed to compare with model %s", since, jobs, fewest, old.Version), nil
	}
	_, than, err := c.replay(old.model)
	if err != nil {
		return verdict{}, err
	}
	said = fmt.Sprintf("%s, against %.1f s and %.1f s of model %s", said, than.PinballP50, than.PinballP90, old.Version)
	if scores.PinballP50+scores.PinballP90 > than.PinballP50+than.PinballP90 {
		return refuse("%s", said), nil
	}
	return verdict{reason: said}, nil
}

func refuse(format string, args ...any) verdict {
	reason := fmt.Sprintf(format, args...)
	return verdict{reason, fmt.Errorf("%s: %w", reason, predictor.ErrNotBetter)}
}

// replay backtests a model on the newest part, and teaches it all of that.
func (c *challenge) replay(m *model.Model) (jobs int, _ Metrics, _ error) {
	rep, err := Backtest(c.newest, Options{From: c.from, Model: m, Now: func() time.Time { return time.Time{} }})
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
