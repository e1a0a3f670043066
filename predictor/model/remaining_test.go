package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// Runs of very different lengths, each at a speed that wanders, say how far they are:
// what remains is then known better than by history, the better the further they are,
// and no less honestly.
func TestProgressTellsWhatRemains(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 7))
	// steps is when each hundredth of a run is done.
	steps := func() (at [100]time.Duration) {
		const parts = 10 // that have a speed of their own each
		length := math.Exp(8 + random.NormFloat64())
		now := 0.0
		for i := range parts {
			speed := math.Exp(wander * math.Sqrt(parts) * random.NormFloat64())
			for j := range len(at) / parts {
				now += length / float64(len(at)) / speed
				at[i*len(at)/parts+j] = time.Duration(now * float64(time.Second))
			}
		}
		return at
	}
	job := predictor.JobSpec{User: "ada", Name: "train"}
	var records []predictor.JobRecord
	for i := range 300 {
		r := predictor.JobRecord{JobSpec: job, Outcome: predictor.Succeeded}
		r.ID, r.Submitted = fmt.Sprint(i), start.Add(time.Duration(i)*24*time.Hour)
		r.Started = r.Submitted
		r.Finished = r.Started.Add(steps()[99])
		records = append(records, r)
	}
	m := learned(records)
	last := math.Inf(1)
	for _, done := range []int{10, 30, 60, 90} {
		const runs = 500
		var with, without float64 // mean error, relative to the whole run
		var half, most int        // that ended by the p50, the p90
		for range runs {
			at := steps()
			elapsed := at[done-1]
			left := at[99] - elapsed
			said := m.Remaining(&job, elapsed, float64(done)/100)
			with += math.Abs(float64(said.P50-left)) / float64(at[99]) / runs
			without += math.Abs(float64(m.Remaining(&job, elapsed, 0).P50-left)) / float64(at[99]) / runs
			if left <= said.P50 {
				half++
			}
			if left <= said.P90 {
				most++
			}
		}
		if with > 0.8*without || with > last {
			t.Errorf("%d %% done: error %.2f with progress, %.2f without it, %.2f before", done, with, without, last)
		}
		if half < runs*25/100 || half > runs*75/100 || most < runs*80/100 {
			t.Errorf("%d %% done: %d ended within the p50 and %d within the p90 of %d", done, half, most, runs)
		}
		last = with
	}
	if left := m.Remaining(&job, time.Hour, 1); left.P99 > time.Second {
		t.Errorf("all is done, and %v remain", left)
	}
}

// wander is by how much the speed of a run departs from even: what the model takes it for.
const wander = 0.25
