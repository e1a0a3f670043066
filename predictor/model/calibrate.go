package model

import (
	"github.com/runcast/runcast/predictor"
)

// rate is how far one miss moves a level. Small: the estimates are nearly right,
// and what is corrected is what they are wrong about in the long run.
const rate = 0.01

// calibration learns at which levels the distributions have to be read for their
// quantiles to cover what they say: after each observation the level of a quantile
// moves up if the value was above it and down if not, such that the moves cancel
// when the coverage is right (adaptive conformal inference: Gibbs and Candès,
// NeurIPS 2021). It holds whatever the distributions are wrong about, and follows drift.
type calibration struct {
	levels [len(predictor.Levels)]float64
}

func newCalibration() calibration { return calibration{predictor.Levels} }

// learn compares what d says with the value that came.
func (c *calibration) learn(d *distribution, came float64) {
	for i, nominal := range predictor.Levels {
		if came <= d.quantile(c.levels[i]) {
			c.levels[i] -= rate * (1 - nominal)
		} else {
			c.levels[i] += rate * nominal
		}
		c.levels[i] = min(max(c.levels[i], 0.001), 0.999)
	}
}

// read returns the quantiles of d at the levels learned, in ascending order.
func (c *calibration) read(d *distribution) [len(predictor.Levels)]float64 {
	var q [len(predictor.Levels)]float64
	for i, level := range c.levels {
		q[i] = d.quantile(level)
		if i > 0 {
			q[i] = max(q[i], q[i-1])
		}
	}
	return q
}
