package kube

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

type quantiles = predictor.Quantiles[time.Duration]

func TestRemainingOf(t *testing.T) {
	spread := quantiles{P10: 10 * time.Minute, P50: 50 * time.Minute, P90: 90 * time.Minute, P99: 99 * time.Minute} // nearly uniform
	for _, c := range []struct {
		name    string
		runtime quantiles
		elapsed time.Duration
		want    quantiles
	}{
		{"unknown stays unknown", quantiles{}, time.Hour, quantiles{}},
		{"not started", spread, 0, spread},
		{"a sure thing", predictor.Exactly(time.Hour), 20 * time.Minute, predictor.Exactly(40 * time.Minute)},
		// Of the runs longer than 50 min half end by the 75th percentile, 75 min.
		{"half way", spread, 50 * time.Minute, quantiles{P10: 5 * time.Minute, P50: 25 * time.Minute, P90: 45 * time.Minute, P99: 49 * time.Minute}},
		{"an overrun goes on", predictor.Exactly(time.Hour), 100 * time.Minute,
			quantiles{P10: 5*time.Minute + 24*time.Second, P50: 41*time.Minute + 25*time.Second, P90: 216*time.Minute + 14*time.Second, P99: 900 * time.Minute}},
	} {
		got := remainingOf(c.runtime, c.elapsed)
		for i, v := range got.Values() {
			if d := (v - c.want.Values()[i]).Abs(); d > time.Minute {
				t.Errorf("%s: level %g: %v, want %v", c.name, predictor.Levels[i], v, c.want.Values()[i])
			}
		}
	}
}

// Remaining times are valid, never zero, and end no earlier the longer a job has run.
func TestRemainingOfIsMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		v := []time.Duration{0, 0, 0, 0}
		for i := range v {
			v[i] = time.Duration(rng.Int64N(int64(10 * time.Hour)))
		}
		slices.Sort(v)
		if rng.IntN(3) == 0 {
			v[1] = v[0]
		}
		q := quantiles{P10: v[0], P50: v[1], P90: v[2], P99: v[3]}
		last := quantiles{}
		for e := time.Duration(1); e < 30*time.Hour; e += time.Duration(rng.Int64N(int64(time.Hour))) {
			r := remainingOf(q, e)
			if !r.Valid() || r.P10 < leastLeft {
				t.Fatalf("%v after %v: %v", q, e, r)
			}
			end := r.Map(func(d time.Duration) time.Duration { return d + e })
			if e < q.P99 && (end.P50 < last.P50-leastLeft || end.P90 < last.P90-leastLeft) {
				t.Fatalf("%v after %v: ends %v, before that %v", q, e, end, last)
			}
			last = end
		}
	}
}

func TestRuntimeFallsBack(t *testing.T) {
	model := predictor.Estimate{Runtime: predictor.Exactly(time.Minute), MeanRuntime: 2 * time.Minute, Model: "m"}
	served := &predictor.Estimate{Runtime: predictor.Exactly(2 * time.Minute), MeanRuntime: 2 * time.Minute}
	for _, c := range []struct {
		name            string
		model           *predictor.Estimate
		served          *predictor.Estimate
		expected, limit time.Duration
		from            string
		p50, mean       time.Duration
	}{
		{"the model first", &model, served, time.Hour, 0, fromModel, time.Minute, 2 * time.Minute},
		{"no longer than the limit", &model, nil, 0, 90 * time.Second, fromModel, time.Minute, 90 * time.Second},
		{"a model that does not know", &predictor.Estimate{}, served, time.Hour, 0, fromAnnotation, 2 * time.Minute, 2 * time.Minute},
		{"the annotation", nil, served, time.Hour, time.Minute, fromAnnotation, time.Minute, time.Minute},
		{"the user", nil, &predictor.Estimate{PeakMemory: predictor.Exactly(predictor.GiB)}, time.Hour, 2 * time.Hour, fromUser, time.Hour, time.Hour},
		{"the limit", nil, nil, 0, 2 * time.Hour, fromLimit, 2 * time.Hour, 2 * time.Hour},
		{"nothing", nil, nil, 0, 0, fromNowhere, 0, 0},
	} {
		f := newSurveyor(t).forecasts
		if c.model != nil {
			f.runtimes["uid"] = runtimeAnswer{Estimate: *c.model}
		}
		e, from := f.runtime("uid", &jobFacts{served: c.served, spec: predictor.JobSpec{ExpectedRuntime: c.expected, RuntimeLimit: c.limit}})
		if from != c.from || e.Runtime.P50 != c.p50 || e.MeanRuntime != c.mean {
			t.Errorf("%s: %v mean %v from %s", c.name, e.Runtime.P50, e.MeanRuntime, from)
		}
	}
}
