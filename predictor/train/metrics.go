package train

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Metrics say how good a predictor was on the judged jobs. Amounts are in seconds
// (target runtime) or bytes (target memory), shares from 0 to 1. The point
// estimate is the p50; a baseline's quantiles are all its point.
type Metrics struct {
	MAE         float64 `json:"mae"`            // mean |p50 - actual|
	MedAE       float64 `json:"medae"`          // median |p50 - actual|
	MedAPE      float64 `json:"medape"`         // median |p50 - actual| / actual, a share
	Within2x    float64 `json:"within_2x"`      // share with actual/2 <= p50 <= 2 actual
	Within25Pct float64 `json:"within_25pct"`   // share with |p50 - actual| <= actual/4
	Under       float64 `json:"underestimates"` // share with p50 < actual
	PinballP50  float64 `json:"pinball_p50"`    // mean pinball loss of the p50 at 0.5: half the MAE
	PinballP90  float64 `json:"pinball_p90"`    // mean pinball loss of the p90 at 0.9
	CoverageP10 float64 `json:"coverage_p10"`   // share with actual <= p10
	CoverageP50 float64 `json:"coverage_p50"`   // share with actual <= p50
	CoverageP90 float64 `json:"coverage_p90"`   // share with actual <= p90
	CoverageP99 float64 `json:"coverage_p99"`   // share with actual <= p99
	Concordance float64 `json:"concordance"`    // share of pairs of different actuals that the p50s order rightly; a tie counts half

	// Of the target memory only.
	*MemoryMetrics `json:",omitempty"`
}

// MemoryMetrics say what it would have cost to give each judged job the memory that
// a predictor said, and more each time that was not enough; see trial.
type MemoryMetrics struct {
	// WastageGBh is what was allocated and not used, and all that was allocated to
	// attempts that failed, in GB-hours (1e9 bytes for an hour), of the largest pod.
	WastageGBh           float64 `json:"wastage_gbh"`
	FirstAttemptFailures float64 `json:"first_attempt_failures"` // share of the jobs
	Attempts             float64 `json:"attempts"`               // a job, the one that succeeds included
}

// Pinball is the loss of predicting q for the quantile at level when x came: the
// scoring rule that the true quantile minimises (Koenker and Bassett, 1978).
func Pinball(level, q, x float64) float64 {
	if x > q {
		return level * (x - q)
	}
	return (1 - level) * (q - x)
}

// An outcome is what one predictor said of one job and what came.
type outcome struct {
	p10, p50, p90, p99, actual float64
	trial                      // of the target memory only
}

// concordancePairs is how many pairs the concordance is taken over: all of them if
// there are no more, else as many random ones.
const concordancePairs = 100_000

// measure computes the metrics of what one predictor said; all zero of nothing.
func measure(said []outcome, seed uint64) Metrics {
	var m Metrics
	n := float64(len(said))
	if n == 0 {
		return m
	}
	abs, rel := make([]float64, len(said)), make([]float64, len(said))
	share := func(count *float64, ok bool) {
		if ok {
			*count++
		}
	}
	for i, o := range said {
		abs[i] = math.Abs(o.p50 - o.actual)
		rel[i] = abs[i] / o.actual
		m.MAE += abs[i] / n
		m.PinballP50 += Pinball(0.5, o.p50, o.actual) / n
		m.PinballP90 += Pinball(0.9, o.p90, o.actual) / n
		share(&m.Within2x, o.p50 <= 2*o.actual && o.actual <= 2*o.p50)
		share(&m.Within25Pct, rel[i] <= 0.25)
		share(&m.Under, o.p50 < o.actual)
		share(&m.CoverageP10, o.actual <= o.p10)
		share(&m.CoverageP50, o.actual <= o.p50)
		share(&m.CoverageP90, o.actual <= o.p90)
		share(&m.CoverageP99, o.actual <= o.p99)
	}
	for _, count := range []*float64{&m.Within2x, &m.Within25Pct, &m.Under, &m.CoverageP10, &m.CoverageP50, &m.CoverageP90, &m.CoverageP99} {
		*count /= n // at the end: a sum of 1/n comes out above 1
	}
	slices.Sort(abs)
	slices.Sort(rel)
	m.MedAE, m.MedAPE = middle(abs), middle(rel)
	m.Concordance = concordance(said, rand.New(rand.NewPCG(seed, 0)))
	return m
}

// measureMemory computes what the requests cost, each scaled; all zero of nothing.
func measureMemory(said []outcome, scale float64) *MemoryMetrics {
	m, n := &MemoryMetrics{}, float64(len(said))
	for _, o := range said {
		c := o.run(scale)
		m.WastageGBh += c.wastage
		m.Attempts += float64(c.attempts)
		if c.attempts > 1 {
			m.FirstAttemptFailures++
		}
	}
	if n > 0 {
		m.Attempts /= n
		m.FirstAttemptFailures /= n
	}
	return m
}

// Scaled is what a predictor's requests cost if all of them are scaled.
type Scaled struct {
	Scale float64 `json:"scale"`
	MemoryMetrics
}

// scales are those of a curve, in ascending order, 1 among them.
var scales = [...]float64{0.8, 0.9, 0.95, 0.98, 1, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2}

// curve is what is wasted against what fails with less and more headroom.
func curve(said []outcome) []Scaled {
	points := make([]Scaled, len(scales))
	for i, scale := range scales {
		points[i] = Scaled{scale, *measureMemory(said, scale)}
	}
	return points
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func concordance(said []outcome, rng *rand.Rand) float64 {
	right, pairs := 0.0, 0
	compare := func(a, b outcome) {
		switch d := (a.actual - b.actual) * (a.p50 - b.p50); {
		case a.actual == b.actual:
			return
		case d > 0:
			right++
		case a.p50 == b.p50:
			right += 0.5
		}
		pairs++
	}
	if n := len(said); n*(n-1)/2 <= concordancePairs {
		for i := range said {
			for j := range i {
				compare(said[i], said[j])
			}
		}
	} else {
		for range concordancePairs {
			compare(said[rng.IntN(n)], said[rng.IntN(n)])
		}
	}
	return right / float64(max(pairs, 1))
}
