package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The product-limit estimator by its definition, and nothing lost beside a heavy bound.
func TestProductLimitTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 500 {
		points := make([]point, 1+random.IntN(40))
		for i := range points {
			points[i] = point{log: float64(random.IntN(30)), weight: math.Exp(-10 * random.ExpFloat64()), censored: random.IntN(3) == 0}
		}
		slices.SortFunc(points, comparePoints)
		got := productLimit(slices.Clone(points), nil)
		surviving := 1.0
		for i, p := range points {
			if p.censored {
				continue
			}
			atRisk := 0.0
			for _, later := range slices.Backward(points[i:]) {
				atRisk += later.weight
			}
			surviving *= 1 - p.weight/atRisk
			if len(got) == 0 || got[0].log != p.log || math.Abs(got[0].upTo-(1-surviving)) > 1e-12 {
				t.Fatalf("of %v the steps %v remain, want mass %g up to %g", points, got, 1-surviving, p.log)
			}
			got = got[1:]
		}
		if len(got) > 0 {
			t.Fatalf("of %v the steps %v are too many", points, got)
		}
	}
}
