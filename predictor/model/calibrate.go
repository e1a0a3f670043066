package model

import (
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// calibration learns at which levels the distributions have to be read for their
// quantiles to cover what they say: after each value that comes, the level of a
// quantile moves up if the value was above it and down if not, such that the moves
// cancel when the coverage is right (adaptive conformal inference: Gibbs and Candès,
// NeurIPS 2021). It needs no assumption on what the distributions are wrong about.
//
// It does so separately (Mondrian conformal prediction) for each level of the
// hierarchy that an estimate rests on, and, for the upper quantiles, which decide how
// many seconds an error costs, for each magnitude of the estimate.
type calibration struct {
	low  [features.NumLevels]cell // P10 and P50
	high [magnitudes]cell         // P90 and P99
}

// A cell is the levels at which two neighbouring quantiles are read.
type cell struct {
	level [2]float64
	seen  float64 // values that came
}

const (
	// magnitudes is the number of classes of a p90, each a factor of e wide.
	magnitudes = 12
	// slowest is how far one miss moves a level in the long run. Bursts of hundreds of
	// like jobs come together: at 0.01 they drag the level about, and the coverage
	// of what was served suffers.
	slowest = 0.001
	// warmUp makes the first moves larger: 1/(warmUp + values seen).
	warmUp = 50
	// Levels stay within these.
	lowest, highest = 0.001, 0.999
)

func newCalibration() calibration {
	var c calibration
	for i := range c.low {
		c.low[i].level = [2]float64{predictor.Levels[0], predictor.Levels[1]}
	}
	for i := range c.high {
		c.high[i].level = [2]float64{predictor.Levels[2], predictor.Levels[3]}
	}
	return c
}

// cells returns those that apply to a distribution, for the lower and the upper two quantiles.
func (c *calibration) cells(d *distribution, smallest float64) [2]*cell {
	p90 := d.quantile(predictor.Levels[2])
	return [2]*cell{&c.low[d.level], &c.high[int(min(max(p90-smallest, 0), magnitudes-1))]}
}

// learn compares what d says with the value that came. smallest is the logarithm at
// which the magnitudes begin.
func (c *calibration) learn(d *distribution, smallest, came float64) {
	for half, cell := range c.cells(d, smallest) {
		cell.seen++
		move := max(slowest, 1/(warmUp+cell.seen))
		for i := range cell.level {
			nominal := predictor.Levels[2*half+i]
			if came <= d.quantile(cell.level[i]) {
				nominal--
			}
			cell.level[i] = min(max(cell.level[i]+move*nominal, lowest), highest)
		}
	}
}

// read returns the quantiles of d at the levels learned, in ascending order.
func (c *calibration) read(d *distribution, smallest float64) [len(predictor.Levels)]float64 {
	var q [len(predictor.Levels)]float64
	for half, cell := range c.cells(d, smallest) {
		for i, level := range cell.level {
			q[2*half+i] = d.quantile(level)
		}
	}
	for i := 1; i < len(q); i++ {
		q[i] = max(q[i], q[i-1])
	}
	return q
}
