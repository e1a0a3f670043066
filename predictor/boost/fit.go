package boost

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// mostRows is how many rows of weight 1 still count one by one.
const mostRows = 1 << (weightBits - 1)

// Fit returns a forest fitted to rows from (inclusive) to to (exclusive).
func Fit(rows *Rows, from, to int, o Options) (*Forest, error) {
	n := to - from
	switch {
	case from < 0 || to > rows.Len():
		return nil, fmt.Errorf("fit to rows %d to %d: there are %d", from, to, rows.Len())
	case n < 1:
		return nil, fmt.Errorf("fit to rows %d to %d: none", from, to)
	case n > mostRows:
		return nil, fmt.Errorf("fit to %d rows, more than %d", n, mostRows)
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("fit: %w", err)
	}
	f := &fit{
		Options:     o,
		rows:        rows,
		from:        from,
		targets:     rows.targets[from:to],
		weights:     rows.weights[from:to],
		predictions: make([]float64, n),
		samples:     make([]Sample, n),
		random:      rand.New(rand.NewPCG(o.Seed, 0)),
		forest:      &Forest{width: rows.width, gains: make([]float64, rows.width)},
	}
	f.grower = newGrower(encode(rows, from, to, o.Bins), f.weights, o)
	f.begin()
	for range o.Trees {
		f.add()
	}
	return f.forest, nil
}

// A fit is a forest in the making. Its slices begin at row from of rows.
type fit struct {
	Options
	rows        *Rows
	from        int
	targets     []float64
	weights     []float64
	predictions []float64 // of the forest so far
	samples     []Sample  // room for one a row
	random      *rand.Rand
	grower      *grower
	forest      *Forest
}

// begin sets the base of the forest, the best constant.
func (f *fit) begin() {
	for i, y := range f.targets {
		f.samples[i] = Sample{y, f.weights[i]}
	}
	f.forest.base = f.Loss.Best(f.samples)
	for i := range f.predictions {
		f.predictions[i] = f.forest.base
	}
}

// add fits one more tree to what the forest leaves over.
func (f *fit) add() {
	bag := f.draw(len(f.targets), f.RowShare)
	f.grower.use(f.draw(f.rows.width, f.FeatureShare))
	f.grower.aim(func(i int) float64 { return f.Loss.gradient(f.targets[i] - f.predictions[i]) })
	t, leaves := f.grower.grow(bag, f.forest.gains)
	if len(t.nodes) == 0 {
		return // nothing to gain on these rows with these features
	}
	starts := make([]int, len(leaves)) // of a leaf's samples
	for i := range leaves[1:] {
		starts[i+1] = starts[i] + len(leaves[i])
	}
	t.values = make([]float32, len(leaves))
	parallel(len(leaves), func(i int) {
		t.values[i] = f.value(leaves[i], f.samples[starts[i]:])
	})
	f.forest.trees = append(f.forest.trees, t)

	if len(bag) == len(f.targets) {
		parallel(len(leaves), func(i int) {
			for _, row := range leaves[i] {
				f.predictions[row] += float64(t.values[i])
			}
		})
		return
	}
	inChunks(len(f.targets), func(_, from, to int) {
		for i := from; i < to; i++ {
			f.predictions[i] += float64(t.value(f.rows.row(f.from + i)))
		}
	})
}

// value is what a leaf of rows adds to their predictions.
func (f *fit) value(rows []int32, samples []Sample) float32 {
	weight := 0.0
	for i, row := range rows {
		samples[i] = Sample{f.targets[row] - f.predictions[row], f.weights[row]}
		weight += f.weights[row]
	}
	return float32(f.LearningRate * f.Loss.Best(samples[:len(rows)]) * weight / (weight + f.L2))
}

// draw returns a share of the numbers under n, in order, at least one.
func (f *fit) draw(n int, share float64) []int32 {
	want := max(1, int(math.Round(share*float64(n))))
	drawn := make([]int32, 0, want)
	for i := range n {
		// Each with the probability that leaves want in the end (Knuth, algorithm S).
		if want == n || f.random.IntN(n-i) < want-len(drawn) {
			drawn = append(drawn, int32(i))
		}
	}
	return drawn
}
