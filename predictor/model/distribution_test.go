package model

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMedianIsThatOfTheDistribution(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	for range 2000 {
		points := make([]point, 1+random.IntN(40))
		total := 0.0
		for i := range points {
			points[i] = point{log: float64(random.IntN(30)), weight: float64(1 + random.IntN(8))} // sums are exact
			total += points[i].weight
		}
		sorted := slices.Clone(points)
		slices.SortFunc(sorted, func(a, b point) int { return int(a.log - b.log) })
		want, sum := 0.0, 0.0
		for _, p := range sorted {
			if want, sum = p.log, sum+p.weight; sum >= total/2 {
				break
			}
		}
		if got := median(slices.Clone(points)); got != want {
			t.Fatalf("median of %v is %g, want %g", sorted, got, want)
		}
	}
}
