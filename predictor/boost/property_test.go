package boost

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

// rowsOf returns n rows as next makes them.
func rowsOf(t testing.TB, n, width int, next func(i int, x []float32) (target, weight float64)) *Rows {
	t.Helper()
	rows, err := NewRows(width)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, width)
	for i := range n {
		target, weight := next(i, x)
		if err := rows.Append(x, target, weight); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func TestLearns(t *testing.T) {
	tests := []struct {
		name  string
		truth func(x []float32) float64
		used  int // features from 0 up that matter
	}{
		{"a step", func(x []float32) float64 {
			if x[0] > 0.3 {
				return 10
			}
			return 0
		}, 1},
		{"an interaction", func(x []float32) float64 {
			if x[0] > 0.5 && x[1] < 0.2 {
				return 10
			}
			return 0
		}, 2},
		{"what is missing", func(x []float32) float64 {
			if x[0] != x[0] || x[0] > 0.8 {
				return 10
			}
			return 0
		}, 1},
		{"a curve", func(x []float32) float64 {
			if x[0] != x[0] {
				return 0
			}
			return 10 * math.Sin(6*float64(x[0]))
		}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			rows := rowsOf(t, 10_000, 5, func(_ int, x []float32) (float64, float64) {
				for f := range x {
					if x[f] = random.Float32(); random.IntN(10) == 0 {
						x[f] = nan
					}
				}
				return test.truth(x) + random.NormFloat64(), 1
			})
			f := mustFit(t, rows, Options{})
			miss := 0.0
			for i := range rows.Len() {
				x := rows.row(i)
				miss += math.Pow(f.Predict(x)-test.truth(x), 2) / float64(rows.Len())
			}
			if miss > 0.2 {
				t.Errorf("a mean squared error of %g where the noise has 1", miss)
			}
			total, matters := 0.0, 0.0
			for feature, share := range f.Importance() {
				total += share
				if feature < test.used {
					matters += share
				}
			}
			if math.Abs(total-1) > 1e-9 || matters < 0.9 {
				t.Errorf("importance %.3f", f.Importance())
			}
		})
	}
}

// TestMonotone: what a feature's values are does not matter, only their order.
func TestMonotone(t *testing.T) {
	one := func(v float32) float32 { return v }
	other := func(v float32) float32 { return float32(math.Exp(float64(v))) - 1e3 }
	fitted := func(transform func(float32) float32) (*Rows, *Forest) {
		random := rand.New(rand.NewPCG(5, 6))
		rows := rowsOf(t, 3000, 3, func(_ int, x []float32) (float64, float64) {
			y := random.NormFloat64()
			for f := range x {
				v := float32(random.IntN(12))
				x[f] = transform(v)
				y += math.Sin(float64(v)) * float64(f)
			}
			return y, 1
		})
		return rows, mustFit(t, rows, Options{Trees: 20})
	}
	rows1, f1 := fitted(one)
	rows2, f2 := fitted(other)
	for i := range rows1.Len() {
		if a, b := f1.Predict(rows1.row(i)), f2.Predict(rows2.row(i)); a != b {
			t.Fatalf("row %d: %g and %g", i, a, b)
		}
	}
}

// TestOrderOfRows: it does not matter, up to rounding.
func TestOrderOfRows(t *testing.T) {
	rows := synthetic(t, 3000, 5, 1)
	order := rand.New(rand.NewPCG(7, 8)).Perm(rows.Len())
	shuffled := rowsOf(t, rows.Len(), 5, func(i int, x []float32) (float64, float64) {
		copy(x, rows.row(order[i]))
		return rows.targets[order[i]], 1
	})
	for _, loss := range []Loss{Squared(), Absolute()} {
		f1, f2 := mustFit(t, rows, Options{Loss: loss}), mustFit(t, shuffled, Options{Loss: loss})
		for i := range rows.Len() {
			if a, b := f1.Predict(rows.row(i)), f2.Predict(rows.row(i)); math.Abs(a-b) > 1e-5 {
				t.Fatalf("%+v, row %d: %g and %g", loss, i, a, b)
			}
		}
	}
}

// TestWeightIsRepetition: a row that weighs 3 counts as three.
func TestWeightIsRepetition(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 1))
	heavy := rowsOf(t, 500, 2, func(_ int, x []float32) (float64, float64) {
		x[0], x[1] = float32(random.IntN(9)), float32(random.IntN(9))
		return float64(x[0]*x[1]) + random.NormFloat64(), float64(1 + random.IntN(3))
	})
	long, err := NewRows(2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range heavy.Len() {
		for range int(heavy.weights[i]) {
			if err := long.Append(heavy.row(i), heavy.targets[i], 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, loss := range []Loss{Squared(), Pinball(0.9), Asymmetric(2, 1)} {
		o := Options{Loss: loss, Trees: 20, L2: 1}
		f1, f2 := mustFit(t, heavy, o), mustFit(t, long, o)
		for i := range heavy.Len() {
			if a, b := f1.Predict(heavy.row(i)), f2.Predict(heavy.row(i)); math.Abs(a-b) > 1e-5 {
				t.Fatalf("%+v, row %d: %g and %g", loss, i, a, b)
			}
		}
	}
}

// TestShares: a forest of trees on half of the rows and features predicts about as well.
func TestShares(t *testing.T) {
	rows, fresh := synthetic(t, 10_000, 8, 1), synthetic(t, 10_000, 8, 2)
	whole := price(mustFit(t, rows, Options{}), fresh, Squared())
	half := price(mustFit(t, rows, Options{RowShare: 0.5, FeatureShare: 0.5}), fresh, Squared())
	if math.Abs(half/whole-1) > 0.1 {
		t.Errorf("a loss of %g with half of rows and features, %g with all", half, whole)
	}
}

// TestWindow: a fit to some of the rows sees no others, even while they come.
func TestWindow(t *testing.T) {
	rows := synthetic(t, 5000, 4, 1)
	const from, to = 1500, 3700
	alone := rowsOf(t, to-from, 4, func(i int, x []float32) (float64, float64) {
		copy(x, rows.row(from+i))
		return rows.targets[from+i], 1
	})
	want := encoded(t, mustFit(t, alone, Options{Trees: 10}))

	snapshot := *rows
	done := make(chan error)
	go func() {
		var err error
		for i := 0; i < 3000 && err == nil; i++ {
			err = rows.Append([]float32{1, 2, 3, 4}, 1e6, 1)
		}
		done <- err
	}()
	f, err := Fit(&snapshot, from, to, Options{Trees: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, f), want) {
		t.Error("not the forest of those rows alone")
	}
}

// TestOddRows: nothing to learn, or nothing usual to learn from.
func TestOddRows(t *testing.T) {
	tests := []struct {
		name string
		n    int
		next func(i int, x []float32) (target, weight float64)
		want func(x []float32) float64
	}{
		{"one row", 1,
			func(_ int, x []float32) (float64, float64) { return 7, 1 },
			func(x []float32) float64 { return 7 }},
		{"one target", 200,
			func(i int, x []float32) (float64, float64) { x[0] = float32(i); return 0.1, 0.3 },
			func(x []float32) float64 { return 0.1 }},
		{"nothing but missing", 200,
			func(i int, x []float32) (float64, float64) { x[0], x[1] = nan, nan; return float64(i % 2), 1 },
			func(x []float32) float64 { return 0.5 }},
		{"constants", 200,
			func(i int, x []float32) (float64, float64) { x[0], x[1] = 3, -inf; return float64(i % 2), 1 },
			func(x []float32) float64 { return 0.5 }},
		{"present or missing", 200,
			func(i int, x []float32) (float64, float64) {
				x[0] = []float32{5, nan}[i%2]
				return float64(10 * (i % 2)), 1
			},
			func(x []float32) float64 {
				if x[0] != x[0] {
					return 10
				}
				return 0
			}},
		{"infinities", 300,
			func(i int, x []float32) (float64, float64) {
				x[0] = []float32{-inf, 0, inf}[i%3]
				return []float64{1, 2, 30}[i%3], 1
			},
			func(x []float32) float64 { return map[float32]float64{-inf: 1, 0: 2, inf: 30}[x[0]] }},
		{"the largest targets and weights", 200,
			func(i int, x []float32) (float64, float64) {
				x[0] = float32(i % 2)
				return mostTarget * float64(1-2*(i%2)), math.MaxFloat32
			},
			func(x []float32) float64 { return mostTarget * (1 - 2*float64(x[0])) }},
		{"the smallest weights", 200, // less than MinRows in sum
			func(i int, x []float32) (float64, float64) {
				x[0] = float32(i % 2)
				return float64(i % 2), math.SmallestNonzeroFloat32
			},
			func(x []float32) float64 { return 0.5 }},
		{"weights far apart", 200,
			func(i int, x []float32) (float64, float64) {
				x[0] = float32(i % 2)
				return float64(i % 2), []float64{1e-30, 1e30}[i%2]
			},
			func(x []float32) float64 { return 1 }},
		{"the smallest targets", 200,
			func(i int, x []float32) (float64, float64) {
				x[0] = float32(i % 2)
				return math.SmallestNonzeroFloat64 * float64(i%2), 1
			},
			func(x []float32) float64 { return 0 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rows := rowsOf(t, test.n, 2, test.next)
			for _, loss := range []Loss{Squared(), Absolute(), Asymmetric(1, 1)} {
				f := mustFit(t, rows, Options{Loss: loss})
				var back Forest
				if err := back.UnmarshalBinary(encoded(t, f)); err != nil {
					t.Fatal(err)
				}
				for i := range rows.Len() {
					x := rows.row(i)
					got, want := back.Predict(x), test.want(x)
					if !(math.Abs(got-want) <= 1e-3*math.Abs(want)+1e-3) {
						t.Fatalf("%+v: %g for %g, want %g", loss, got, x, want)
					}
				}
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	rows := synthetic(t, 10, 4, 1)
	notFinite := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e31}
	appends := map[string]error{
		"3 features, not 4":  rows.Append(make([]float32, 3), 0, 1),
		"weight 0":           rows.Append(make([]float32, 4), 0, 0),
		"weight -1":          rows.Append(make([]float32, 4), 0, -1),
		"weight NaN":         rows.Append(make([]float32, 4), 0, math.NaN()),
		"weight +Inf":        rows.Append(make([]float32, 4), 0, math.Inf(1)),
		"row 10: target NaN": rows.Append(make([]float32, 4), notFinite[0], 1),
		"target +Inf":        rows.Append(make([]float32, 4), notFinite[1], 1),
		"target -Inf":        rows.Append(make([]float32, 4), notFinite[2], 1),
		"target 1e+31":       rows.Append(make([]float32, 4), notFinite[3], 1),
	}
	if rows.Len() != 10 {
		t.Errorf("%d rows after errors", rows.Len())
	}
	fits := func(from, to int, o Options) error {
		_, err := Fit(rows, from, to, o)
		return err
	}
	_, none := NewRows(0)
	_, many := NewRows(40_000)
	for want, err := range map[string]error{
		"0 features":                  none,
		"40000 features":              many,
		"rows 4 to 4: none":           fits(4, 4, Options{}),
		"rows 5 to 4: none":           fits(5, 4, Options{}),
		"rows -1 to 4: there are 10":  fits(-1, 4, Options{}),
		"rows 0 to 11: there are 10":  fits(0, 11, Options{}),
		"-1 trees":                    fits(0, 10, Options{Trees: -1}),
		"rate of NaN":                 fits(0, 10, Options{LearningRate: math.NaN()}),
		"rate of 1.5":                 fits(0, 10, Options{LearningRate: 1.5}),
		"1 leaves":                    fits(0, 10, Options{Leaves: 1}),
		"40000 leaves":                fits(0, 10, Options{Leaves: 40_000}),
		"at least -1 rows":            fits(0, 10, Options{MinRows: -1}),
		"L2 of -1":                    fits(0, 10, Options{L2: -1}),
		"256 bins":                    fits(0, 10, Options{Bins: 256}),
		"share of 2 of the rows":      fits(0, 10, Options{RowShare: 2}),
		"share of -1 of the features": fits(0, 10, Options{FeatureShare: -1}),
		"loss of 0 for too high":      fits(0, 10, Options{Loss: Pinball(1)}),
		"loss of NaN for too high":    fits(0, 10, Options{Loss: Asymmetric(0, 0)}),
		"loss of 2 for too high":      fits(0, 10, Options{Loss: Asymmetric(2, -1)}),
	} {
		appends[want] = err
	}
	for want, err := range appends {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one about %q", err, want)
		}
	}
}

func TestPredictAllocatesNothing(t *testing.T) {
	rows := synthetic(t, 1000, 4, 1)
	f := mustFit(t, rows, Options{Trees: 10})
	if n := testing.AllocsPerRun(100, func() { f.Predict(rows.row(0)) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
