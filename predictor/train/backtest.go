package train

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
	"github.com/runcast/runcast/predictor/model"
)

// A Target is what a backtest judges.
type Target string

// The targets.
const (
	Runtime Target = "runtime" // seconds
	Memory  Target = "memory"  // bytes, of the largest pod
)

// Options of a backtest. Now is required.
type Options struct {
	Trace  string // name of the history, for the report
	Target Target // Runtime if empty
	// Start is the share of the submissions, in order, that only teach; the jobs
	// submitted after them are judged. From 0 to below 1.
	Start float64
	// From, if set, replaces Start: judged are the jobs submitted then or later.
	From    time.Time
	ByGroup bool             // report each (namespace or queue, user, name) as well
	Seed    uint64           // of the model, and of the pairs that Concordance samples
	Now     func() time.Time // measures FitSeconds and PredictMicroseconds; a test's may stand still
	// Model, if set, starts from this model instead of an empty one, and teaches it.
	Model *model.Model
}

// ErrNothingToJudge is returned by Backtest if no job is left to judge.
var ErrNothingToJudge = errors.New("no finished job to judge")

// Backtest replays a history and measures what would have been predicted.
//
// It is walk-forward and causal. Submissions and finishes happen in order of time;
// at the same instant finishes come first, and among those the order is that of
// (Finished, ID). A job is predicted at its submission from its JobSpec and from
// the records of jobs that had finished. Every record teaches when its job
// finishes; what did not succeed is a censored observation for the model, and an
// observation like any other for the baselines, which know no better. Judged are
// the jobs that succeeded (or whose outcome the history does not tell), with a
// runtime of more than zero, respectively a measured peak.
//
// records may come in any order; a job without a submission time was submitted
// when it started, one that never started does not count.
func Backtest(records []predictor.JobRecord, o Options) (Report, error) {
	if o.Target == "" {
		o.Target = Runtime
	}
	if o.Now == nil {
		return Report{}, errors.New("backtest: no clock")
	}
	if !(o.Start >= 0 && o.Start < 1) { // NaN as well
		return Report{}, fmt.Errorf("backtest: start %g is not from 0 to below 1", o.Start)
	}
	b, err := newReplay(records, o)
	if err != nil {
		return Report{}, err
	}
	b.run()
	return b.report()
}

// event is a submission or a finish of records[job].
type event struct {
	at     time.Time
	submit bool
	job    int
}

// timeline orders what happened; see Backtest.
func timeline(records []predictor.JobRecord) []event {
	events := make([]event, 0, 2*len(records))
	for i := range records {
		if r := &records[i]; !r.Started.IsZero() {
			events = append(events, event{features.Submitted(r), true, i}, event{r.Finished, false, i})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.submit != b.submit {
			if b.submit {
				return -1
			}
			return 1
		}
		return cmp.Compare(records[a.job].ID, records[b.job].ID)
	})
	return events
}
