package boost

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// synthetic returns rows like those of a history of jobs: a heavy-tailed target that steps and
// interacts, features of few and of many values, some missing, most of them noise.
func synthetic(t testing.TB, n, width int, seed uint64) *Rows {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	rows, err := NewRows(width)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, width)
	for range n {
		for f := range x {
			switch f % 4 {
			case 0:
				x[f] = float32(random.NormFloat64())
			case 1:
				x[f] = float32(random.IntN(8))
			case 2:
				x[f] = float32(math.Exp(3 * random.NormFloat64()))
			case 3:
				x[f] = float32(random.Float64())
				if random.IntN(4) == 0 {
					x[f] = float32(math.NaN())
				}
			}
		}
		y := 5 + math.Sin(3*float64(x[0])) + 0.5*float64(x[1])
		if x[2] > 1 && x[3] < 0.5 {
			y += 2
		}
		y += random.ExpFloat64()
		if err := rows.Append(x, y, 1); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func mustFit(t testing.TB, rows *Rows, o Options) *Forest {
	t.Helper()
	f, err := Fit(rows, 0, rows.Len(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// of is the loss of a residual.
func (l Loss) of(residual float64) float64 {
	size, factor := math.Abs(residual), l.under()
	if residual < 0 {
		factor = l.over()
	}
	if l.linear {
		return factor * size
	}
	return factor * size * size
}

// price is the mean loss of a forest on rows.
func price(f *Forest, rows *Rows, l Loss) float64 {
	total := 0.0
	for i, y := range rows.targets {
		total += l.of(y-f.Predict(rows.row(i))) / float64(rows.Len())
	}
	return total
}

func TestTrainingLossFalls(t *testing.T) {
	rows := synthetic(t, 3000, 8, 2)
	for _, loss := range []Loss{Squared(), Absolute(), Pinball(0.9), Asymmetric(1, 4)} {
		f := mustFit(t, rows, Options{Loss: loss, Trees: 30})
		last := math.Inf(1)
		for trees := range len(f.trees) + 1 {
			some := &Forest{base: f.base, trees: f.trees[:trees]}
			now := price(some, rows, loss)
			if now >= last {
				t.Errorf("%+v: %d trees make the loss %g, one fewer %g", loss, trees, now, last)
			}
			last = now
		}
	}
}

// TestSameBytes: neither the number of processors nor a second run changes the forest.
func TestSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rows := synthetic(t, 5000, 11, 3)
	for _, o := range []Options{
		{Trees: 10},
		{Trees: 10, Loss: Pinball(0.9), RowShare: 0.7, FeatureShare: 0.5, Seed: 7},
	} {
		var first []byte
		for _, processors := range []int{1, 2, 4} {
			runtime.GOMAXPROCS(processors)
			b := encoded(t, mustFit(t, rows, o))
			if first == nil {
				first = b
			}
			if !bytes.Equal(b, first) {
				t.Errorf("%+v: other bytes with %d processors", o, processors)
			}
		}
	}
}

// TestCoverage: a forest for a quantile has that share of new targets below it.
func TestCoverage(t *testing.T) {
	rows, fresh := synthetic(t, 20_000, 6, 4), synthetic(t, 20_000, 6, 5)
	for _, level := range []float64{0.1, 0.5, 0.9} {
		f := mustFit(t, rows, Options{Loss: Pinball(level)})
		below := 0
		for i, y := range fresh.targets {
			if y <= f.Predict(fresh.row(i)) {
				below++
			}
		}
		if share := float64(below) / float64(fresh.Len()); math.Abs(share-level) > 0.02 {
			t.Errorf("level %g covers %g", level, share)
		}
	}
}
