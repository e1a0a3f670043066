package train

import (
	"fmt"
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
	first   time.Time // submission from which on jobs are judged

	model   *model.Model
	rules   []rule
	sizing  *sizing              // of the target memory only
	said    map[string][]outcome // by predictor, one element a judged job
	jobs    []int                // the judged jobs, as said has them
	pending map[int]pending      // what was said of jobs that have not finished

	fit, predict time.Duration
	predictions  int
}

// Runcast is the name of the model among the predictors of a Report.
const Runcast = "runcast"

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
	switch o.Target {
	case Runtime:
		b.rules = runtimeRules()
	case Memory:
		b.sizing = newSizing(records)
		b.rules = b.sizing.rules()
	default:
		return nil, fmt.Errorf("backtest: target %q is neither %s nor %s", o.Target, Runtime, Memory)
	}
	b.first = b.firstJudged()
	return b, nil
}

// value is what came of the target, in seconds or bytes; zero if that is not known.
func (b *replay) value(r *predictor.JobRecord) float64 {
	if b.Target == Memory {
		return float64(r.PeakMemory)
	}
	return r.Runtime().Seconds()
}

// judges reports whether a job counts.
func (b *replay) judges(r *predictor.JobRecord) bool {
	censored := r.RuntimeCensored() || b.Target == Memory && r.MemoryCensored()
	return !censored && b.value(r) > 0 && !features.Submitted(r).Before(b.first)
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
	if b.judges(r) {
		b.pending[job] = p
	}
}

func (b *replay) finish(job int) {
	r := &b.records[job]
	if p, ok := b.pending[job]; ok {
		delete(b.pending, job)
		b.jobs = append(b.jobs, job)
		b.said[Runcast] = append(b.said[Runcast], b.outcome(r, &p.estimate))
		for i, rule := range b.rules {
			o := outcome{p50: p.points[i], p90: p.points[i], actual: b.value(r)}
			if b.sizing != nil {
				o.run = b.sizing.run(r, p.points[i])
			}
			b.said[rule.name] = append(b.said[rule.name], o)
		}
	}
	start := b.Now()
	b.model.Observe(*r)
	b.fit += b.Now().Sub(start)
	for _, rule := range b.rules {
		rule.observe(r, b.value(r))
	}
	if b.sizing != nil {
		b.sizing.observe(r)
	}
}

// outcome is what came of the model's estimate of a job.
func (b *replay) outcome(r *predictor.JobRecord, e *predictor.Estimate) outcome {
	if b.Target == Runtime {
		return outcome{p50: e.Runtime.P50.Seconds(), p90: e.Runtime.P90.Seconds(), actual: b.value(r)}
	}
	request := float64(e.MemoryRequest)
	if request == 0 {
		request = b.sizing.request(&r.JobSpec)
	}
	return outcome{float64(e.PeakMemory.P50), float64(e.PeakMemory.P90), b.value(r), b.sizing.run(r, request)}
}

// measure computes the metrics of what one predictor said.
func (b *replay) measure(said []outcome) Metrics {
	m := measure(said, b.Seed)
	if b.Target == Memory {
		m.MemoryMetrics = measureMemory(said)
	}
	return m
}

func (b *replay) report() (Report, error) {
	if len(b.jobs) == 0 {
		return Report{}, ErrNothingToJudge
	}
	rep := Report{Trace: b.Trace, Target: b.Target, Jobs: len(b.jobs), Predictors: map[string]Metrics{},
		FitSeconds:          b.fit.Seconds(),
		PredictMicroseconds: float64(b.predict.Nanoseconds()) / 1e3 / float64(max(b.predictions, 1))}
	for name, said := range b.said {
		rep.Predictors[name] = b.measure(said)
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
