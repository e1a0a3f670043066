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
			x := p.points[i]
			o := outcome{p10: x, p50: x, p90: x, p99: x, actual: b.value(r)}
			if b.sizing != nil {
				o.trial = b.sizing.trial(r, x)
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
		q := e.Runtime
		return outcome{p10: q.P10.Seconds(), p50: q.P50.Seconds(), p90: q.P90.Seconds(), p99: q.P99.Seconds(), actual: b.value(r)}
	}
	request := float64(e.MemoryRequest)
	if request == 0 {
		request = b.sizing.request(&r.JobSpec)
	}
	q := e.PeakMemory
	return outcome{float64(q.P10), float64(q.P50), float64(q.P90), float64(q.P99), b.value(r), b.sizing.trial(r, request)}
}

// measure computes the metrics of what one predictor said.
func (b *replay) measure(said []outcome) Metrics {
	m := measure(said, b.Seed)
	if b.Target == Memory {
		m.MemoryMetrics = measureMemory(said, 1)
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
	hindsight := b.hindsight()
	rep.Hindsight = b.measure(hindsight)
	if b.Target == Memory {
		rep.Curves = map[string][]Scaled{}
		for name, said := range b.said {
			rep.Curves[name] = curve(said)
		}
		for _, o := range b.said[Runcast] {
			rep.UsedGBh += o.peak * o.hours / bytesPerGB
		}
	}
	if b.ByGroup {
		rep.Groups = b.groups(hindsight)
	}
	return rep, nil
}

// A Report is the result of a backtest; its JSON is what scripts depend on.
type Report struct {
	Trace      string             `json:"trace"`
	Target     Target             `json:"target"`
	Jobs       int                `json:"jobs"` // judged
	Predictors map[string]Metrics `json:"predictors"`
	// Hindsight is what the best constants of the jobs' groups would have reached, chosen
	// with all that came known: no predictor, but what to hold them against.
	Hindsight Metrics `json:"hindsight"`
	// FitSeconds is the time spent learning, PredictMicroseconds that of one
	// estimate, by the clock of Options.Now.
	FitSeconds          float64 `json:"fit_seconds"`
	PredictMicroseconds float64 `json:"predict_microseconds"`
	// UsedGBh is the peaks times the runtimes, in GB-hours, and Curves are what each
	// predictor's requests cost with less and more headroom; of the target memory only.
	UsedGBh float64             `json:"used_gbh,omitempty"`
	Curves  map[string][]Scaled `json:"curves,omitempty"`
	// Groups is only set with Options.ByGroup: largest first.
	Groups []Group `json:"groups,omitempty"`
}
