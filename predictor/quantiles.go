package predictor

import "math"

// Levels are the levels of a Quantiles, in its fields' order.
var Levels = [4]float64{0.10, 0.50, 0.90, 0.99}

// Quantiles are four points of a predicted distribution. The zero value means
// that nothing is known. Otherwise 0 <= P10 <= P50 <= P90 <= P99.
type Quantiles[T ~int64] struct {
	P10 T `json:"p10"`
	P50 T `json:"p50"`
	P90 T `json:"p90"`
	P99 T `json:"p99"`
}

// Exactly is the distribution of a value known for certain.
func Exactly[T ~int64](v T) Quantiles[T] { return Quantiles[T]{v, v, v, v} }

// Values returns the four values in the order of Levels.
func (q Quantiles[T]) Values() [4]T { return [4]T{q.P10, q.P50, q.P90, q.P99} }

// IsZero reports whether nothing is known.
func (q Quantiles[T]) IsZero() bool { return q == Quantiles[T]{} }

// Valid reports whether q is non-negative and monotone.
func (q Quantiles[T]) Valid() bool {
	return 0 <= q.P10 && q.P10 <= q.P50 && q.P50 <= q.P90 && q.P90 <= q.P99
}

// Map applies f, which must be monotone, to every value.
func (q Quantiles[T]) Map(f func(T) T) Quantiles[T] {
	return Quantiles[T]{f(q.P10), f(q.P50), f(q.P90), f(q.P99)}
}

// Capped returns q with no value above limit; limit <= 0 caps nothing.
func (q Quantiles[T]) Capped(limit T) Quantiles[T] {
	if limit <= 0 {
		return q
	}
	return q.Map(func(v T) T { return min(v, limit) })
}

// At returns the value at level, linear between the four points, P10 below the
// first and P99 above the last; NaN reads as the lowest level. At(0.5) is P50. If
// q is Valid, At never falls as level grows.
func (q Quantiles[T]) At(level float64) T {
	v := q.Values()
	if level <= Levels[0] || math.IsNaN(level) {
		return v[0]
	}
	for i := 1; i < len(v); i++ {
		if level <= Levels[i] {
			f := (level - Levels[i-1]) / (Levels[i] - Levels[i-1])
			// Above 2^53 a float64 rounds the difference, perhaps up: past v[i].
			whole := float64(v[i] - v[i-1])
			part := math.Round(f * whole)
			if part >= whole {
				return v[i]
			}
			return v[i-1] + T(part)
		}
	}
	return v[3]
}
