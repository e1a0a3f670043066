package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/runcast/runcast/predictor"
)

// What the distribution says is too narrow, then too wide: the quantiles cover what
// they should all the same.
func TestCalibrationCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var d distribution
	logs := make([]float64, 200)
	for i := range logs {
		logs[i] = 10 + random.NormFloat64()
	}
	slices.Sort(logs)
	for i, log := range logs {
		d.steps = append(d.steps, step{log: log, upTo: float64(i+1) / 200})
	}
	c := calibration{smallest: 2}
	for _, spread := range []float64{2, 0.5} {
		const warm, judged = 2 * latestScores, 20000
		var covered [len(predictor.Levels)]float64
		for i := range warm + judged {
			came := 10 + spread*random.NormFloat64()
			if i >= warm {
				for l, q := range c.read(&mixture{distribution: d}) {
					if came <= q {
						covered[l] += 1. / judged
					}
				}
			}
			c.learn(&mixture{distribution: d}, came)
		}
		// Beyond its last step a distribution cannot reach.
		most := (1 + math.Erf((d.steps[199].log-10)/spread/math.Sqrt2)) / 2
		for l, nominal := range predictor.Levels {
			want := min(nominal, most)
			if math.Abs(covered[l]-want) > 0.02 {
				t.Errorf("spread %g: quantile %g covers %.3f, want %.3f", spread, nominal, covered[l], want)
			}
		}
	}
}

func TestCalibrationBegins(t *testing.T) {
	var s scores
	for _, nominal := range predictor.Levels {
		if got := s.level(nominal); math.Abs(got-nominal) > 0.01 {
			t.Errorf("level %g is read at %g before anything came", nominal, got)
		}
	}
}

func TestScoresForgetTheOldest(t *testing.T) {
	var s scores
	for range latestScores {
		s.add(0.9)
	}
	for range latestScores {
		s.add(0.2)
	}
	if got := s.level(0.5); math.Abs(got-0.2) > 0.01 {
		t.Errorf("read at %g", got)
	}
}
