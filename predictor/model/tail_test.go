package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// The upper quantiles of a mixture are those of its points put together.
func TestMixtureTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 1))
	for range 300 {
		x := mixture{share: random.Float64()}
		var points []point
		add := func(n int, share float64) (part []point) {
			for range n {
				part = append(part, point{log: float64(random.IntN(40)), weight: share / float64(n)}) // some of them equal
			}
			slices.SortFunc(part, comparePoints)
			points = append(points, part...)
			return part
		}
		pool := add(1+random.IntN(30), 1-x.share)
		for i, p := range pool {
			x.steps = append(x.steps, step{log: p.log, upTo: float64(i+1) / float64(len(pool))})
		}
		x.latest = add(1+random.IntN(30), x.share)
		slices.SortFunc(points, comparePoints)
		twin := distribution{steps: productLimit(points, nil)}
		last := math.Inf(-1)
		for level := 0.0137; level < 1; level += 0.05 { // at no step
			got := x.upper(level)
			if want := twin.quantile(level); got != want {
				t.Fatalf("level %g at %g, want %g: %+v", level, got, want, x)
			}
			if got < last {
				t.Fatalf("level %g at %g, a lower one at %g", level, got, last)
			}
			last = got
			if under, want := x.under(got), twin.below(got); math.Abs(under-want) > 1e-9 {
				t.Fatalf("under %g are %g, want %g", got, under, want)
			}
		}
	}
}

// A queue that many people share: its jobs come in bursts of like ones, and no burst tells
// how long the next one's take. The p90 covers them all the same, although most other jobs
// are of a queue where the last few tell it all.
func TestBurstsAreCovered(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 1))
	m := New(1)
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	covered, judged := 0.0, 0.0
	for i := range 3000 {
		at = at.Add(time.Hour)
		queue, runtime := "calm", time.Minute
		jobs := 1
		if i%20 == 0 {
			queue, jobs = "bursts", 20
			runtime = time.Duration(math.Exp(2*random.NormFloat64()) * float64(time.Minute))
		}
		var finished []predictor.JobRecord
		for j := range jobs {
			s := predictor.JobSpec{ID: fmt.Sprint(i, " ", j), Queue: queue, Submitted: at}
			took := time.Duration(float64(runtime) * math.Exp(0.1*random.NormFloat64()))
			if queue == "bursts" && i > 1000 {
				judged++
				if took <= m.Estimate(&s).Runtime.P90 {
					covered++
				}
			}
			finished = append(finished, predictor.JobRecord{JobSpec: s, Started: at, Finished: at.Add(took), Outcome: predictor.Succeeded})
		}
		for _, r := range finished {
			m.Observe(r)
		}
	}
	if share := covered / judged; share < 0.85 {
		t.Errorf("the p90 covers %.2f of the bursts", share)
	}
}
