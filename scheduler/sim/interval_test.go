package sim

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestIntervals: of the intervals of samples drawn from one distribution, 95 % hold its
// mean, and what two rules have in common does not blur their difference.
func TestIntervals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	held, n := 0, 2000
	for range n {
		samples := make([]float64, 10)
		for i := range samples {
			samples[i] = 7 + 3*rng.NormFloat64()
		}
		i := NewInterval(samples)
		if i.Low < 7 && 7 < i.High {
			held++
		}
		if math.Abs(i.High-i.Mean-(i.Mean-i.Low)) > 1e-9 {
			t.Fatalf("%v is not symmetric", i)
		}
	}
	if share := float64(held) / float64(n); share < 0.935 || share > 0.965 {
		t.Errorf("%.3f of the intervals hold the mean", share)
	}

	var base, better []Measures
	for range 10 {
		hard := 100 * (1 + rng.ExpFloat64()) // a window of the log, hard or easy for both
		base = append(base, Measures{MeanFlow: hard})
		better = append(better, Measures{MeanFlow: 0.9 * hard})
	}
	if i := Against(better, base); math.Abs(i.Mean+10) > 1e-9 || i.High > -5 {
		t.Errorf("10 %% less everywhere is reported as %+.1f %% (%+.1f to %+.1f)", i.Mean, i.Low, i.High)
	}
}

// TestWindows: consecutive parts hold every job once.
func TestWindows(t *testing.T) {
	jobs := randomJobs(rand.New(rand.NewPCG(1, 10)), 103)
	r, err := Run(Config{Cluster: Processors(64), Jobs: jobs, Policy: "greedy", Predictor: oracle{}})
	if err != nil {
		t.Fatal(err)
	}
	var flow, most float64
	for _, w := range r.Windows(103) {
		flow += w.MeanFlow / 103
		most = max(most, w.MaxFlow)
	}
	if math.Abs(flow-r.MeanFlow) > 1e-6*flow || most != r.MaxFlow {
		t.Errorf("the windows have a mean flow of %v, at most %v, the whole %v and %v", flow, most, r.MeanFlow, r.MaxFlow)
	}
	if r.Bounded(r.MeanFlow / 2); r.Gap != 1 {
		t.Errorf("twice the bound is a gap of %v", r.Gap)
	}
}
