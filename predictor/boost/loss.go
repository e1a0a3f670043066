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
	linear bool    // the size, not the square
	tilt   float64 // share of the factor for too low in the sum of the two, less a half
}

// Squared is least at the mean.
func Squared() Loss { return Loss{} }

// Absolute is least at the median.
func Absolute() Loss { return Pinball(0.5) }

// Pinball is least at the quantile of a level between 0 and 1.
func Pinball(level float64) Loss { return Loss{linear: true, tilt: level - 0.5} }

// Asymmetric is the square of the error times over where the prediction was too high, times under
// where it was too low; both are positive. It is least at an expectile (Newey and Powell, 1987).
// Unlike the square of an over-prediction with the size of an under-prediction (Gaussier et al.,
// SC'15), it comes to the same predictions in whatever unit the target is.
func Asymmetric(over, under float64) Loss { return Loss{tilt: under/(over+under) - 0.5} }

func (l Loss) over() float64  { return 0.5 - l.tilt }
func (l Loss) under() float64 { return 0.5 + l.tilt }

func (l Loss) check() error {
	if !(min(l.over(), l.under()) >= 1e-6) { // NaN as well
		return fmt.Errorf("a loss of %g for too high, %g for too low: neither may be under 1e-6 of the sum", l.over(), l.under())
	}
	return nil
}

// gradient is how strongly a prediction should move that leaves a residual, the target less the
// prediction; up to a factor that all residuals share.
func (l Loss) gradient(residual float64) float64 {
	factor := l.under()
	if residual < 0 {
		factor = l.over()
	}
	switch {
	case !l.linear:
		return factor * residual
	case residual == 0:
		return 0
	default:
		return math.Copysign(factor, residual)
	}
}

// A Sample is a value and its weight.
type Sample struct{ Value, Weight float64 }

// Best returns the prediction of least loss for samples, at least one: the median, if the loss is
// Absolute. It reorders them.
func (l Loss) Best(samples []Sample) float64 {
	if l.linear {
		return quantile(samples, l.under())
	}
	return expectile(samples, l.over(), l.under())
}

// quantile is the value under which the share level of the weight lies; halfway between two if
// the share is met between them.
func quantile(samples []Sample, level float64) float64 {
	total := 0.0
	for _, s := range samples {
		total += s.Weight
	}
	lower, upTo := selectAt(samples, level*total*(1-1e-9))
	if upTo > level*total*(1+1e-9) {
		return lower
	}
	upper, _ := selectAt(samples, level*total*(1+1e-9))
	return lower + (upper-lower)/2
}

// selectAt returns the least value such that the samples up to and including it weigh more than
// the given weight, or the largest value if there is none; and what those samples weigh. It
// looks at the part of the values' range in which that is, then at the part of that part.
func selectAt(samples []Sample, weight float64) (value, upTo float64) {
	const parts = 64
	for len(samples) > 8 {
		least, most := samples[0].Value, samples[0].Value
		for _, s := range samples {
			least, most = min(least, s.Value), max(most, s.Value)
		}
		scale := parts / (most - least)
		if scale == 0 || math.IsInf(scale, 0) { // too much or hardly anything lies between
			break
		}
		part := func(s *Sample) int { return min(int((s.Value-least)*scale), parts-1) }
		var weights [parts]float64
		for i := range samples {
			weights[part(&samples[i])] += samples[i].Weight
		}
		in := 0
		for ; in < parts-1 && upTo+weights[in] <= weight; in++ {
			upTo += weights[in]
		}
		n := 0
		for i := range samples {
			if part(&samples[i]) == in {
				samples[i], samples[n] = samples[n], samples[i]
				n++
			}
		}
		samples = samples[:n]
	}
	slices.SortFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Value, b.Value) })
	for i, s := range samples {
		upTo += s.Weight
		if upTo > weight && (i+1 == len(samples) || samples[i+1].Value > s.Value) {
			return s.Value, upTo
		}
	}
	return samples[len(samples)-1].Value, upTo
}

// expectile is the value at which the residuals above it, times under, and those below it, times
// over, cancel: the mean if the two are the same. Each step is the mean by the factors of the step
// before: Newton's method on a convex function of parabolic pieces, which ends once no sample
// changes sides.
func expectile(samples []Sample, over, under float64) float64 {
	at := math.Inf(-1)
	for range 100 {
		var sum, weight float64
		for _, s := range samples {
			w := s.Weight * under
			if s.Value < at {
				w = s.Weight * over
			}
			sum += w * s.Value
			weight += w
		}
		next := sum / weight
		if next == at || over == under {
			return next
		}
		at = next
	}
	return at // to within rounding
}
