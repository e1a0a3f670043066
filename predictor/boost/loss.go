package boost

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Loss is the price of an error: its size or its square, times one factor if the prediction was
// too high and another if it was too low. The zero Loss is Squared.
type Loss struct {
	linear      bool    // the size, not the square
	over, under float64 // both 0: the zero Loss
}

// Squared is least by the mean.
func Squared() Loss { return Asymmetric(1, 1) }

// Absolute is least by the median.
func Absolute() Loss { return Pinball(0.5) }

// Pinball is least by the quantile at level, within 0 and 1.
func Pinball(level float64) Loss { return Loss{linear: true, over: 1 - level, under: level} }

// Asymmetric charges the squared error, times over where the prediction was too high, times under
// where it was too low; both are positive. It is least by an expectile (Newey and Powell, 1987).
// Other than the square of an over-prediction and the size of an under-prediction (Gaussier et
// al., SC'15), it prefers the same forest whatever the unit of the target.
func Asymmetric(over, under float64) Loss { return Loss{over: over, under: under} }

// check fills in the zero Loss.
func (l *Loss) check() error {
	if *l == (Loss{}) {
		*l = Squared()
	}
	if !(l.over > 0 && l.under > 0 && l.over/l.under < 1e6 && l.under/l.over < 1e6) {
		return fmt.Errorf("a loss of %g for too high and %g for too low: neither may be zero, nor a million times the other", l.over, l.under)
	}
	// Only the ratio matters: gradients are of the size of residuals.
	largest := max(l.over, l.under)
	l.over, l.under = l.over/largest, l.under/largest
	return nil
}

// gradient is the direction and the strength in which a prediction should move, that leaves a
// residual: the target less the prediction.
func (l Loss) gradient(residual float64) float64 {
	factor := l.under
	if residual < 0 {
		factor = l.over
	}
	if !l.linear {
		return factor * residual
	}
	if residual == 0 {
		return 0
	}
	return math.Copysign(factor, residual)
}

// A sample is a value and its weight.
type sample struct{ value, weight float64 }

// best returns the prediction of least loss for samples, at least one. It reorders them.
func (l Loss) best(samples []sample) float64 {
	if l.linear {
		return quantile(samples, l.under/(l.over+l.under))
	}
	return expectile(samples, l.over, l.under)
}

// quantile is the value under which the share level of the weight lies; halfway between two if
// the share is met between them.
func quantile(samples []sample, level float64) float64 {
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.value, b.value) })
	total := 0.0
	for _, s := range samples {
		total += s.weight
	}
	const rounding = 1e-9
	below := 0.0
	for i, s := range samples {
		below += s.weight
		if below > level*total*(1+rounding) || i == len(samples)-1 {
			return s.value
		}
		if below > level*total*(1-rounding) {
			return (s.value + samples[i+1].value) / 2
		}
	}
	panic("unreachable")
}

// expectile is the value at which the weighted residuals above it, times under, and those below
// it, times over, cancel: the mean if the two are the same. Each step is the mean by the factors
// of the step before, Newton's method on a convex function of parabolic pieces.
func expectile(samples []sample, over, under float64) float64 {
	at := math.Inf(-1)
	for {
		var sum, weight float64
		for _, s := range samples {
			w := s.weight * under
			if s.value < at {
				w = s.weight * over
			}
			sum += w * s.value
			weight += w
		}
		next := sum / weight
		if over == under || math.Abs(next-at) <= 1e-12*math.Abs(next) {
			return next
		}
		at = next
	}
}
