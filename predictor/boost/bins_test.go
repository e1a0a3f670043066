package boost

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCode: a value's bin is one more than the number of cuts under it.
func TestCode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	for n := range 255 {
		cuts := make([]float32, n)
		for i := range cuts {
			cuts[i] = random.Float32()
		}
		slices.Sort(cuts)
		for _, v := range append([]float32{-inf, random.Float32(), inf}, cuts...) {
			under := 0
			for _, c := range cuts {
				if c < v {
					under++
				}
			}
			if got := code(v, cuts); int(got) != under+1 {
				t.Fatalf("%g with %d cuts under it has the code %d", v, under, got)
			}
		}
		if got := code(nan, cuts); got != 0 {
			t.Fatalf("a missing value has the code %d", got)
		}
	}
}

// TestCuts: bins hold about as many values each, and a frequent value has its own.
func TestCuts(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	values := make([]float32, 20_000)
	for i := range values {
		if values[i] = float32(random.ExpFloat64()); i%2 == 0 {
			values[i] = 1
		}
	}
	bounds := cuts(values, 100)
	held := make([]int, len(bounds)+2)
	for _, v := range values {
		held[code(v, bounds)]++
	}
	for bin, n := range held[1:] {
		if frequent := bin+1 == int(code(1, bounds)); frequent && n < 10_000 || !frequent && n > 250 {
			t.Errorf("bin %d of %d holds %d values", bin+1, len(bounds)+1, n)
		}
	}
	if len(bounds) < 80 || len(bounds) > 99 {
		t.Errorf("%d bounds for 100 bins", len(bounds))
	}
}
