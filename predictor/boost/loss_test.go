package boost

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQuantile compares with a walk over sorted samples.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		samples := make([]Sample, 1+random.IntN(300))
		distinct := 1 + random.IntN(200)
		heavy := 1 + random.IntN(3)
		for i := range samples {
			samples[i] = Sample{float64(random.IntN(distinct)), float64(1 + random.IntN(heavy))}
		}
		level := float64(1+random.IntN(99)) / 100

		sorted := slices.SortedFunc(slices.Values(samples), func(a, b Sample) int { return cmp.Compare(a.Value, b.Value) })
		hundredths := 0.0
		for _, s := range sorted {
			hundredths += 100 * s.Weight
		}
		share, below := math.Round(hundredths*level), 0.0
		want := math.NaN()
		for i, s := range sorted {
			if below += 100 * s.Weight; below == share {
				want = (s.Value + sorted[i+1].Value) / 2
				break
			} else if below > share {
				want = s.Value
				break
			}
		}
		if got := quantile(samples, level); got != want {
			t.Fatalf("%g of %v is %g, want %g", level, sorted, got, want)
		}
	}
}

// TestBestIsLeast: no other prediction has a smaller loss.
func TestBestIsLeast(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	samples := make([]Sample, 100)
	for i := range samples {
		samples[i] = Sample{random.NormFloat64() * math.Exp(random.NormFloat64()), 0.5 + random.Float64()}
	}
	for _, l := range []Loss{Squared(), Absolute(), Pinball(0.1), Pinball(0.99), Asymmetric(3, 1), Asymmetric(1, 1000)} {
		if err := l.check(); err != nil {
			t.Fatal(err)
		}
		best := l.Best(slices.Clone(samples))
		at := func(y float64) (total float64) {
			for _, s := range samples {
				total += s.Weight * l.of(s.Value-y)
			}
			return total
		}
		for _, step := range []float64{1e-3, 0.1, 1} {
			if at(best+step) < at(best) || at(best-step) < at(best) {
				t.Errorf("%+v: %g is not the best", l, best)
			}
		}
	}
}
