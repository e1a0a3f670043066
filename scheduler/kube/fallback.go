package kube

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
)

// Where a runtime comes from, best first; the labels of the metric.
const (
	fromModel      = "model"
	fromAnnotation = "annotation" // what the model said when it was last asked, as written on the Job
	fromUser       = "user"       // the user's expectation
	fromLimit      = "limit"      // the kill limit
	fromNowhere    = "none"
)

// runtime is the best there is to plan a job's whole run with. A limit caps it,
// whatever it comes from.
func (f *forecasts) runtime(uid types.UID, job *jobFacts) (predictor.Estimate, string) {
	f.mu.Lock()
	a, ok := f.runtimes[uid]
	f.mu.Unlock()
	limit := job.spec.RuntimeLimit
	e, from := a.Estimate, fromModel
	switch {
	case ok && !e.Runtime.IsZero():
	case job.served != nil && !job.served.Runtime.IsZero():
		e, from = *job.served, fromAnnotation
	case job.spec.ExpectedRuntime > 0:
		e, from = said(job.spec.ExpectedRuntime, "the user's expectation"), fromUser
	case limit > 0:
		e, from = said(limit, "the runtime limit"), fromLimit
	default:
		return e, fromNowhere
	}
	e.Runtime = e.Runtime.Capped(limit)
	if limit > 0 {
		e.MeanRuntime = min(e.MeanRuntime, limit)
	}
	return e, from
}

func said(d time.Duration, source string) predictor.Estimate {
	return predictor.Estimate{Runtime: predictor.Exactly(d), MeanRuntime: d, Source: source}
}

// left is the best there is to plan the rest of a run with that started at
// started (zero: not yet). Zero if nothing is known.
func (f *forecasts) left(uid types.UID, job *jobFacts, started, now time.Time) predictor.Quantiles[time.Duration] {
	if !started.IsZero() {
		f.mu.Lock()
		a, ok := f.remaining[uid]
		f.mu.Unlock()
		if ok && !a.IsZero() && now.Sub(a.at) < 2*remainingFresh {
			return a.Map(func(d time.Duration) time.Duration { return max(d-now.Sub(a.at), leastLeft) })
		}
	}
	e, _ := f.runtime(uid, job)
	if started.IsZero() {
		return e.Runtime
	}
	return remainingOf(e.Runtime, now.Sub(started))
}

// leastLeft is the shortest remaining time: zero would mean unknown.
const leastLeft = time.Second

// remainingOf conditions a runtime on having run for elapsed: the u-quantile of
// T-e given T > e is Q(F(e) + u(1-F(e))) - e, with F and Q linear between the four
// points. Beyond P99 the prediction has failed, and the run is taken to come from a
// tail that falls with the square of time (Pareto, exponent 2): it is then as likely
// as not to be over within 0.41 of the time that it has run.
func remainingOf(runtime predictor.Quantiles[time.Duration], elapsed time.Duration) predictor.Quantiles[time.Duration] {
	if runtime.IsZero() || elapsed <= 0 {
		return runtime
	}
	done := levelOf(runtime, elapsed)
	at := func(u float64) time.Duration {
		if done >= 1 {
			return max(time.Duration(float64(elapsed)*(1/math.Sqrt(1-u)-1)), leastLeft)
		}
		return max(runtime.At(done+u*(1-done))-elapsed, leastLeft)
	}
	l := predictor.Levels
	return predictor.Quantiles[time.Duration]{P10: at(l[0]), P50: at(l[1]), P90: at(l[2]), P99: at(l[3])}
}

// levelOf is the share of runs that end within d, 1 if d is not below P99.
func levelOf(q predictor.Quantiles[time.Duration], d time.Duration) float64 {
	level, value := 0.0, time.Duration(0)
	for i, v := range q.Values() {
		if d < v {
			return level + (predictor.Levels[i]-level)*float64(d-value)/float64(v-value)
		}
		level, value = predictor.Levels[i], v
	}
	return 1
}
