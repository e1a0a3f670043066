package model

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// thin is the share of the mass under which what is left of a distribution says
// less than how long the job has already run.
const thin = 0.02

// Remaining predicts how much longer a job takes that has run for elapsed, from
// the past runs that took longer than that. Where hardly any did, the job is
// expected to take about as long again as it has run: the tail of runtimes is close
// to a Pareto distribution of index one (Harchol-Balter and Downey, 1997). A limit caps it.
func (m *Model) Remaining(s *predictor.JobSpec, elapsed time.Duration) predictor.Quantiles[time.Duration] {
	elapsed = min(max(elapsed, 0), predictor.MaxDuration)
	if elapsed == 0 {
		return m.Estimate(s).Runtime
	}
	keys := features.KeysOf(s)
	d, _ := m.forecast(&m.runtime, &keys, time.Time{})
	rest, mass := d.above(features.LogSeconds(elapsed))
	var log [len(predictor.Levels)]float64
	for i, level := range predictor.Levels {
		tail := features.LogSeconds(elapsed) - math.Log1p(-level)
		if mass < thin || len(rest.points) == 0 {
			log[i] = tail
		} else {
			log[i] = rest.quantile(level)
		}
	}
	total := quantiles(log, time.Second).Capped(s.RuntimeLimit)
	return total.Map(func(d time.Duration) time.Duration { return max(d-elapsed, 0) })
}
