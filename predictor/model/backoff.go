package model

import (
	"math"

	"github.com/runcast/runcast/predictor/features"
)

// way is how a group's runs enter the pool, in the order in which they back off.
type way int

const (
	relative way = iota // as a factor of the user's word, times this job's
	recent              // the last few
	window              // the whole window
	numWays
)

// sizes is the number of classes of a group's size: about 1, 2, 4, 8, 16 … runs.
const sizes = 6

// backoff learns how much of the weight a component keeps and how much it leaves to
// those after it, for each level, way and size of a group.
//
// It is the mixture of Neal and Hinton (1998) with its expectation step taken online:
// each value that comes is credited to the components in proportion to their weight
// times the density they gave it; a component keeps the share that it was credited
// of what reached it.
type backoff [features.NumLevels][numWays][sizes]stop

// A stop is the credit that a component got, out of the credit that reached it.
type stop struct{ credit, reached float64 }

const (
	// priorCredit is how many values the prior share weighs as much as.
	priorCredit = 20
	// fading is what the next value leaves of the past: the latest 1,000 count.
	fading = 0.999
	// bandwidth of the densities: at a factor of 1.22 from a run the density has
	// fallen to 1/e. From 0.05 to 0.5 the traces differ little.
	bandwidth = 0.2
	// outlier is the density of a value that no run foretells.
	outlier = 0.01
)

// size returns the class of a group with so many runs' worth of evidence.
func size(evidence float64) int {
	s := 0
	for ; evidence > 1.5 && s < sizes-1; s++ {
		evidence /= 2
	}
	return s
}

// prior is the share that a component keeps while nothing has come: with the window,
// n of n+2 runs, so that a group of two weighs as much as its parents.
func (w way) prior(size int) float64 {
	switch n := math.Exp2(float64(size)); w {
	case relative:
		return 0.1
	case recent:
		return 0.3
	default:
		return n / (n + 2)
	}
}

// share returns how much a component keeps of the weight that reaches it.
func (b *backoff) share(level int, w way, size int) float64 {
	s := &b[level][w][size]
	return min((s.credit+priorCredit*w.prior(size))/(s.reached+priorCredit), 0.999)
}

// learn credits the components of a pool for the value that came.
func (b *backoff) learn(p *pool, came float64) {
	for i := range p.values {
		v := &p.values[i]
		v.weight = math.Exp(-math.Abs(v.log-came)/bandwidth) / (2 * bandwidth)
	}
	densities := make([]float64, len(p.batches))
	for i, b := range p.batches[1:] {
		density := 0.0
		for _, u := range p.uses[b.from:b.to] {
			density += u.weight * p.values[u.value].weight
		}
		densities[1+i] = outlier + density/b.evidence
	}
	total := 0.0
	for _, c := range p.components {
		total += c.share * densities[c.batch]
	}
	reached := 1.0
	for _, c := range p.components {
		credit := c.share * densities[c.batch] / total
		s := &b[c.level][c.way][c.size]
		s.credit = fading*s.credit + credit
		s.reached = fading*s.reached + reached
		reached = max(reached-credit, 0)
	}
}
