package model

import (
	"math"
	"slices"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// calibration learns at which levels the distributions have to be read for their
// quantiles to cover what they say: at those under which that share of the latest
// values has fallen (rolling conformal prediction: Vovk, Gammerman and Shafer, 2005;
// the scores are ranks, as with Chernozhukov, Wüthrich and Zhu, PNAS 2021). It needs
// no assumption on what the distributions are wrong about.
//
// It does so separately (Mondrian conformal prediction) for each level of the
// hierarchy that an estimate rests on, and, for the upper quantiles, which decide how
// many seconds an error costs, for each magnitude of the estimate.
type calibration struct {
	smallest float64                    // value at which the magnitudes begin
	low      [features.NumLevels]scores // P10 and P50
	high     [magnitudes]scores         // P90 and P99
}

const (
	// magnitudes is the number of classes of a p90, each a factor of e wide.
	magnitudes = 12
	// latestScores is how many scores count. With 500, bursts of hundreds of like jobs
	// drag the levels about, and the coverage of what was served suffers.
	latestScores = 2048
	// priorScores is how many the nominal level weighs as much as.
	priorScores = 50
	// early is the share of the upper misses that is aimed for. What was served misses
	// a little more than what is looked up when the value has come, by a model that has
	// learned in between: half a point at the p90.
	early = 0.95
	// Levels stay within these.
	lowest, highest = 0.001, 0.999
)

// scores are the shares of the mass that distributions had below the values that came.
type scores struct {
	latest []float32 // a ring, once it is full
	oldest int       // place in it of the next
	sorted []float32
}

func (s *scores) add(below float32) {
	if len(s.latest) < latestScores {
		s.latest = append(s.latest, below)
	} else {
		i, _ := slices.BinarySearch(s.sorted, s.latest[s.oldest])
		s.sorted = slices.Delete(s.sorted, i, i+1)
		s.latest[s.oldest] = below
		s.oldest = (s.oldest + 1) % latestScores
	}
	i, _ := slices.BinarySearch(s.sorted, below)
	s.sorted = slices.Insert(s.sorted, i, below)
}

// level returns the level at which to read the quantile of a nominal level.
func (s *scores) level(nominal float64) float64 {
	if nominal > 0.5 {
		nominal = 1 - early*(1-nominal)
	}
	n := float64(len(s.sorted))
	read := highest
	if k := int(math.Ceil(nominal * (n + 1))); k <= len(s.sorted) {
		read = float64(s.sorted[k-1]) + 1e-6 // more than the score, whichever way it was rounded
	}
	read = (n*read + priorScores*nominal) / (n + priorScores)
	return min(max(read, lowest), highest)
}

// of returns the scores that apply to a mixture, for the lower and the upper two
// quantiles.
func (c *calibration) of(x *mixture) [2]*scores {
	p90 := x.upper(predictor.Levels[2])
	return [2]*scores{&c.low[x.level], &c.high[int(min(max(p90-c.smallest, 0), magnitudes-1))]}
}

// learn compares what x says with the value that came.
func (c *calibration) learn(x *mixture, came float64) {
	of := c.of(x)
	of[0].add(float32(x.below(came)))
	of[1].add(float32(x.under(came)))
}

// read returns the quantiles of x at the levels learned, in ascending order.
func (c *calibration) read(x *mixture) [len(predictor.Levels)]float64 {
	of, l := c.of(x), predictor.Levels
	p10 := x.quantile(of[0].level(l[0]))
	p50 := max(p10, x.quantile(of[0].level(l[1])))
	p90 := max(p50, x.upper(of[1].level(l[2])))
	return [...]float64{p10, p50, p90, max(p90, x.upper(of[1].level(l[3])))}
}
