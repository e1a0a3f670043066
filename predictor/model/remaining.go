package model

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// fewestAbove is how many past runs must have taken longer for them to tell how
// much longer a job takes.
const fewestAbove = 3

// Remaining predicts how much longer a job takes that has run for elapsed, from the
// past runs that took longer than that, of whatever group. Where hardly any did, the
// job is expected to take about as long again as it has run: the tail of runtimes is
// close to a Pareto distribution of index one (Harchol-Balter and Downey, 1997). A
// limit caps it.
func (m *Model) Remaining(s *predictor.JobSpec, elapsed time.Duration) predictor.Quantiles[time.Duration] {
	if elapsed <= 0 {
		return m.Estimate(s).Runtime
	}
	elapsed = min(elapsed, predictor.MaxDuration)
	question := m.question(s)
	question.deep = true
	t := &m.targets[features.Runtime]
	p := m.pool(t, question)
	defer p.release()
	log := features.LogSeconds(elapsed)
	var longer distribution
	if !p.empty() {
		d := t.distribution(p, question)
		longer = d.above(log)
	}
	var q [len(predictor.Levels)]float64
	for i, level := range predictor.Levels {
		if len(longer.steps) < fewestAbove {
			q[i] = log - math.Log1p(-level)
		} else {
			q[i] = longer.quantile(level)
		}
	}
	total := quantiles(q, time.Second).Capped(m.limits.of(s))
	return total.Map(func(d time.Duration) time.Duration { return max(d-elapsed, 0) })
}
