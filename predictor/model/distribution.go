package model

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// A point is a past observation and its weight among others.
type point struct {
	log      float64
	weight   float64
	censored bool
}

// A distribution is a weighted empirical distribution of logarithms: steps in ascending
// order. What lacks to one after the last is mass beyond it: runs of which only a lower
// bound is known.
type distribution struct {
	steps  []step
	level  int  // that most of the weight comes from
	exact  int  // runs of that level that are not censored
	linear bool // that level is read through its regression
}

// A step is a value, and the mass up to and including it.
type step struct {
	log, upTo float64
	linear    float64 // the value itself; zero until it is asked for
}

// comparePoints orders points by value, exact ones before bounds: a bound says "more than".
func comparePoints(a, b point) int {
	if c := cmp.Compare(a.log, b.log); c != 0 || a.censored == b.censored {
		return c
	}
	if a.censored {
		return 1
	}
	return -1
}

// productLimit turns weighted observations in order, some of them censored, into the steps
// of a distribution (Kaplan and Meier, 1958), which it appends: the mass of a lower bound
// goes to the steps above it.
func productLimit(points []point, steps []step) []step {
	atRisk := 0.0 // a sum from above: a difference would lose what is small beside a bound below it
	for i, p := range slices.Backward(points) {
		if atRisk += p.weight; p.weight > 0 {
			points[i].weight /= atRisk
		}
	}
	surviving := 1.0
	for _, p := range points {
		if !p.censored {
			surviving -= surviving * p.weight
			steps = append(steps, step{log: p.log, upTo: 1 - surviving})
		}
	}
	return steps
}

// quantile returns the smallest value with at least level of the mass at or below it;
// beyond the mass of all steps, the last one. There must be a step.
func (d *distribution) quantile(level float64) float64 {
	i := sort.Search(len(d.steps)-1, func(i int) bool { return d.steps[i].upTo >= level })
	return d.steps[i].log
}

// below returns the mass below log.
func (d *distribution) below(log float64) float64 {
	i := sort.Search(len(d.steps), func(i int) bool { return d.steps[i].log >= log })
	if i == 0 {
		return 0
	}
	return d.steps[i-1].upTo
}

// rank returns the mass below log and half of that at log.
func (d *distribution) rank(log float64) float64 {
	return (d.below(log) + d.below(math.Nextafter(log, math.Inf(1)))) / 2
}

// mean returns the expected value on the linear scale; mass beyond the last step counts as
// that step.
func (d *distribution) mean() float64 {
	sum, before := 0.0, 0.0
	for i := range d.steps {
		s := &d.steps[i]
		if s.linear == 0 {
			s.linear = math.Exp(s.log)
		}
		sum += (s.upTo - before) * s.linear
		before = s.upTo
	}
	return sum + (1-before)*d.steps[len(d.steps)-1].linear
}

// above returns the distribution given that the value exceeds log and is none of which
// only a lower bound is known.
func (d *distribution) above(log float64) distribution {
	i := sort.Search(len(d.steps), func(i int) bool { return d.steps[i].log > log })
	rest := distribution{steps: slices.Clone(d.steps[i:]), level: d.level}
	below := 0.0
	if i > 0 {
		below = d.steps[i-1].upTo
	}
	for j := range rest.steps {
		rest.steps[j].upTo = (rest.steps[j].upTo - below) / (d.steps[len(d.steps)-1].upTo - below)
	}
	return rest
}
