package model

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// fewestAbove is how many past runs must have taken longer for them to tell how
// much longer a job takes.
const fewestAbove = 3

// Remaining predicts how much longer a job takes that has run for elapsed, from the
// past runs that took longer than that, of whatever group. Where hardly any did, the
// job is expected to take about as long again as it has run: the tail of runtimes is
// close to a Pareto distribution of index one (Harchol-Balter and Downey, 1997). What
// the job itself says of its progress, the share of its work that is done (0: nothing),
// is blended in. A limit caps it.
func (m *Model) Remaining(s *predictor.JobSpec, elapsed time.Duration, progress float64) predictor.Quantiles[time.Duration] {
	if elapsed <= 0 {
		return m.Estimate(s).Runtime
	}
	elapsed = min(elapsed, predictor.MaxDuration)
	question := m.question(s)
	defer question.release()
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
	if progress > 0 {
		blend(&q, log, progress)
	}
	total := quantiles(q, time.Second).Capped(m.limits.of(s))
	return total.Map(func(d time.Duration) time.Duration { return max(d-elapsed, 0) })
}

// wander is by how much the time that a whole run's work takes varies with its speed, and
// the least by which it varies from the past runs: relative, one standard deviation.
// Chosen, not measured: no public log has progress.
const wander = 0.25

// blend moves the quantiles of how long a whole run takes, on the scale of LogSeconds,
// towards what follows from the share of its work that it has done in elapsed, by the
// variances of the two. If each part of the work has a speed of its own, then
// elapsed/progress varies about the whole by wander*sqrt((1-progress)/progress).
func blend(q *[len(predictor.Levels)]float64, elapsed, progress float64) {
	center := elapsed - math.Log(progress)
	spread := wander * math.Sqrt((1-progress)/progress)
	normal := distuv.UnitNormal
	history := max((q[2]-q[0])/(normal.Quantile(0.9)-normal.Quantile(0.1)), wander)
	weight := history * history / (history*history + spread*spread)
	for i, level := range predictor.Levels {
		q[i] += weight * (center + normal.Quantile(level)*spread - q[i])
	}
}
