package train

import (
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
	"github.com/runcast/runcast/predictor/model"
)

// replay is one backtest under way.
type replay struct {
	Options
	records []predictor.JobRecord
	events  []event
	judge   func(*predictor.JobRecord) bool

	model   *model.Model
	rules   []rule
	said    map[string][]outcome // by predictor, one element a judged job
	jobs    []int                // the judged jobs, as said has them
	pending map[int]pending      // what was said of jobs that have not finished

	fit, predict time.Duration
	predictions  int
}

// Runcast is the name of the model among the predictors of a Report.
const Runcast = "runcast"

// A rule is a baseline under its name in the report.
type rule struct {
	name string
	baseline
}

// pending is what was said of a job at its submission.
type pending struct {
	estimate predictor.Estimate
	points   []float64 // of the rules
}

func newReplay(records []predictor.JobRecord, o Options) (*replay, error) {
	b := &replay{Options: o, records: records, events: timeline(records), model: o.Model,
		said: map[string][]outcome{}, pending: map[int]pending{}}
	if b.model == nil {
		b.model = model.New(o.Seed)
	}
	median := newKeyMedian()
	b.rules = []rule{{"key_median", median}, {"request", requested{newKeyMedian()}}, {"last2", newLastTwo()}, {"hierarchy", newHierarchy()}}
	first := b.firstJudged()
	b.judge = func(r *predictor.JobRecord) bool {
		return !features.Submitted(r).Before(first) && !r.RuntimeCensored() && r.Runtime() > 0
	}
	return b, nil
}

// firstJudged is the submission time from which on jobs are judged.
func (b *replay) firstJudged() time.Time {
	if !b.From.IsZero() {
		return b.From
	}
	submissions := make([]time.Time, 0, len(b.records))
	for _, e := range b.events {
		if e.submit {
			submissions = append(submissions, e.at)
		}
	}
	if len(submissions) == 0 {
		return time.Time{}
	}
	return submissions[int(b.Start*float64(len(submissions)))]
}

func (b *replay) run() {
	for _, e := range b.events {
		if e.submit {
			b.submit(e.job)
		} else {
			b.finish(e.job)
		}
	}
}

func (b *replay) submit(job int) {
	r := &b.records[job]
	start := b.Now()
	p := pending{estimate: b.model.Estimate(&r.JobSpec)}
	b.predict += b.Now().Sub(start)
	b.predictions++
	for _, rule := range b.rules {
		p.points = append(p.points, rule.predict(&r.JobSpec))
	}
	if b.judge(r) {
		b.pending[job] = p
	}
}

func (b *replay) finish(job int) {
	r := &b.records[job]
	seconds := r.Runtime().Seconds()
	if p, ok := b.pending[job]; ok {
		delete(b.pending, job)
		b.jobs = append(b.jobs, job)
		q := p.estimate.Runtime
		b.said[Runcast] = append(b.said[Runcast], outcome{q.P50.Seconds(), q.P90.Seconds(), seconds})
		for i, rule := range b.rules {
			b.said[rule.name] = append(b.said[rule.name], outcome{p.points[i], p.points[i], seconds})
		}
	}
	start := b.Now()
	b.model.Observe(*r)
	b.fit += b.Now().Sub(start)
	for _, rule := range b.rules {
		rule.observe(r, seconds)
	}
}

func (b *replay) report() (Report, error) {
	if len(b.jobs) == 0 {
		return Report{}, ErrNothingToJudge
	}
	rep := Report{Trace: b.Trace, Target: b.Target, Jobs: len(b.jobs), Predictors: map[string]Metrics{},
		FitSeconds:          b.fit.Seconds(),
		PredictMicroseconds: float64(b.predict.Nanoseconds()) / 1e3 / float64(max(b.predictions, 1))}
	for name, said := range b.said {
		rep.Predictors[name] = measure(said, b.Seed)
	}
	if b.ByGroup {
		rep.Groups = b.groups()
	}
	return rep, nil
}

// A Report is the result of a backtest; its JSON is what scripts depend on.
type Report struct {
	Trace      string             `json:"trace"`
	Target     Target             `json:"target"`
	Jobs       int                `json:"jobs"` // judged
	Predictors map[string]Metrics `json:"predictors"`
	// FitSeconds is the time spent learning, PredictMicroseconds that of one
	// estimate, by the clock of Options.Now.
	FitSeconds          float64 `json:"fit_seconds"`
	PredictMicroseconds float64 `json:"predict_microseconds"`
	// Groups is only set with Options.ByGroup: largest first.
	Groups []Group `json:"groups,omitempty"`
}

// MemoryMetrics are what only the target memory has.
type MemoryMetrics struct {
	WastageGBh           float64 `json:"wastage_gbh"`
	FirstAttemptFailures float64 `json:"first_attempt_failures"`
	Attempts             float64 `json:"attempts"`
}
