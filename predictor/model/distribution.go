package model

import (
	"cmp"
	"math"
	"slices"
)

// A point is a past observation and its weight among others.
type point struct {
	log      float64
	weight   float64
	censored bool
}

// A distribution is a weighted empirical distribution of logarithms: points in
// ascending order whose weights sum to at most one. What lacks to one is mass
// beyond the last point: runs of which only a lower bound is known.
type distribution struct {
	points []point
	level  int  // that most of the weight comes from
	exact  int  // runs of that level that are not censored
	linear bool // that level is read through its regression
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

// productLimit turns weighted observations in order, some of them censored, into a
// distribution (Kaplan and Meier, 1958): the mass of a lower bound goes to the points
// above it. It reuses points.
func productLimit(points []point) []point {
	atRisk := 0.0 // a sum from above: a difference would lose what is small beside a bound below it
	for i, p := range slices.Backward(points) {
		if atRisk += p.weight; p.weight > 0 {
			points[i].weight /= atRisk
		}
	}
	surviving, exact := 1.0, points[:0]
	for _, p := range points {
		if !p.censored {
			mass := surviving * p.weight
			surviving -= mass
			exact = append(exact, point{log: p.log, weight: mass})
		}
	}
	return exact
}

// median returns the weighted median of exact points, at least one, as the quantile of
// their distribution would be. It reorders them.
func median(points []point) float64 {
	half := 0.0
	for _, p := range points {
		half += p.weight / 2
	}
	for { // half of the weight lies within points
		pivot := points[len(points)/2].log
		below, above := 0, len(points) // the points at pivot lie between
		lighter, at := 0.0, 0.0
		for i := 0; i < above; {
			switch p := points[i]; {
			case p.log < pivot:
				lighter += p.weight
				points[i], points[below] = points[below], p
				below, i = below+1, i+1
			case p.log > pivot:
				above--
				points[i], points[above] = points[above], p
			default:
				at += p.weight
				i++
			}
		}
		switch {
		case below > 0 && lighter >= half:
			points = points[:below]
		case lighter+at >= half || above == len(points):
			return pivot
		default:
			points, half = points[above:], half-lighter-at
		}
	}
}

// quantile returns the smallest point with at least level of the mass at or below
// it; beyond the mass of all points, the last one. There must be a point.
func (d *distribution) quantile(level float64) float64 {
	sum := 0.0
	for _, p := range d.points {
		if sum += p.weight; sum >= level {
			return p.log
		}
	}
	return d.points[len(d.points)-1].log
}

// below returns the mass below log.
func (d *distribution) below(log float64) float64 {
	sum := 0.0
	for _, p := range d.points {
		if p.log >= log {
			break
		}
		sum += p.weight
	}
	return min(sum, 1) // not more by rounding
}

// rank returns the mass below log and half of that at log.
func (d *distribution) rank(log float64) float64 {
	return (d.below(log) + d.below(math.Nextafter(log, math.Inf(1)))) / 2
}

// mean returns the expected value on the linear scale; mass beyond the last point
// counts as that point.
func (d *distribution) mean() float64 {
	sum, mass := 0.0, 0.0
	for _, p := range d.points {
		sum += p.weight * math.Exp(p.log)
		mass += p.weight
	}
	return sum + max(1-mass, 0)*math.Exp(d.points[len(d.points)-1].log)
}

// above returns the distribution given that the value exceeds log.
func (d *distribution) above(log float64) distribution {
	i := 0
	for i < len(d.points) && d.points[i].log <= log {
		i++
	}
	rest := distribution{points: slices.Clone(d.points[i:]), level: d.level}
	mass := 0.0
	for _, p := range rest.points {
		mass += p.weight
	}
	for j := range rest.points {
		rest.points[j].weight /= mass
	}
	return rest
}
