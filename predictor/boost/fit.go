package boost

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Fit returns a forest fitted to rows from (inclusive) to to (exclusive).
func Fit(rows *Rows, from, to int, o Options) (*Forest, error) {
	if from < 0 || to > rows.Len() || from >= to {
		return nil, fmt.Errorf("fit to rows %d to %d of %d: none", from, to, rows.Len())
	}
	if to-from > math.MaxInt32 {
		return nil, fmt.Errorf("fit to %d rows, more than %d", to-from, math.MaxInt32)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	n := to - from
	b := &boosting{
		Options:     o,
		rows:        rows,
		from:        from,
		targets:     rows.targets[from:to],
		weights:     make([]float64, n),
		predictions: make([]float64, n),
		samples:     make([]sample, n),
		random:      rand.New(rand.NewPCG(o.Seed, 0)),
		forest:      &Forest{width: rows.width, gains: make([]float64, rows.width)},
	}
	b.weigh()
	for i, y := range b.targets {
		b.samples[i] = sample{y, b.weights[i]}
	}
	b.forest.base = o.Loss.best(b.samples)
	for i := range b.predictions {
		b.predictions[i] = b.forest.base
	}
	b.grower = &grower{
		codes:    encode(rows, from, to, o.Bins),
		leaves:   o.Leaves,
		features: make([]bool, rows.width),
		sums:     make([]sum, n),
		gathered: make([]sum, n),
		aside:    make([]int32, n),
		found:    make([]split, rows.width),
		found2:   make([]split, rows.width),
	}
	for range o.Trees {
		b.add()
	}
	return b.forest, nil
}

// boosting is the state of a fit.
type boosting struct {
	Options
	rows        *Rows
	from        int // row of rows at which the arrays below begin
	targets     []float64
	weights     []float64 // 1 on average
	predictions []float64 // of the forest so far
	samples     []sample
	random      *rand.Rand
	grower      *grower
	forest      *Forest
}

// weigh sets the weights, 1 on average.
func (b *boosting) weigh() {
	total := 0.0
	weights := b.rows.weights[b.from : b.from+len(b.weights)]
	for _, w := range weights {
		total += w
	}
	mean := total / float64(len(weights))
	for i, w := range weights {
		b.weights[i] = w / mean
	}
}

// add fits one more tree to what the forest leaves over.
func (b *boosting) add() {
	g := b.grower
	bag := b.draw(len(b.targets), b.RowShare)
	unit, weightUnit := b.gradients()
	g.divider = divider{l2: b.L2 * weightUnit, minWeight: int64(float64(b.MinRows) * weightUnit)}
	clear(g.features)
	for _, f := range b.draw(len(g.features), b.FeatureShare) {
		g.features[f] = true
	}
	t, leaves, splits := g.grow(bag)
	if len(t.nodes) == 0 {
		return
	}
	for _, s := range splits {
		b.forest.gains[s.feature] += s.gain / unit / unit * weightUnit
	}
	t.values = make([]float32, len(leaves))
	starts := make([]int, len(leaves))
	for i := range leaves[1:] {
		starts[i+1] = starts[i] + len(leaves[i])
	}
	parallel(len(leaves), func(i int) {
		samples := b.samples[starts[i]:][:len(leaves[i])]
		weight := 0.0
		for j, r := range leaves[i] {
			samples[j] = sample{b.targets[r] - b.predictions[r], b.weights[r]}
			weight += b.weights[r]
		}
		t.values[i] = float32(b.LearningRate * b.Loss.best(samples) * weight / (weight + b.L2))
	})
	if len(bag) == len(b.targets) {
		parallel(len(leaves), func(i int) {
			for _, r := range leaves[i] {
				b.predictions[r] += float64(t.values[i])
			}
		})
	} else {
		const chunk = 4096
		parallel((len(b.targets)+chunk-1)/chunk, func(k int) {
			for i := k * chunk; i < min((k+1)*chunk, len(b.targets)); i++ {
				b.predictions[i] += float64(t.value(b.rows.row(b.from + i)))
			}
		})
	}
	b.forest.trees = append(b.forest.trees, t)
}

// draw returns a share of the numbers under n, in order, at least one.
func (b *boosting) draw(n int, share float64) []int32 {
	want := max(1, int(math.Round(share*float64(n))))
	drawn := make([]int32, 0, want)
	for i := range n {
		// Each with the probability that leaves want in the end (Knuth, algorithm S).
		if want == n || b.random.IntN(n-i) < want-len(drawn) {
			drawn = append(drawn, int32(i))
		}
	}
	return drawn
}

// gradients sets the sums of each row, in units of fixed point, the largest powers of two with
// which the sums of all rows do not overflow.
func (b *boosting) gradients() (unit, weightUnit float64) {
	largest := 0.0
	for i, y := range b.targets {
		largest = max(largest, math.Abs(b.weights[i]*b.Loss.gradient(y-b.predictions[i])))
	}
	room := 62 - bits.Len(uint(len(b.targets)))
	_, exponent := math.Frexp(largest)
	unit, weightUnit = math.Ldexp(1, room-exponent), math.Ldexp(1, room)
	for i, y := range b.targets {
		b.grower.sums[i] = sum{
			gradient: int64(b.weights[i] * b.Loss.gradient(y-b.predictions[i]) * unit),
			weight:   int64(b.weights[i] * weightUnit),
		}
	}
	return unit, weightUnit
}
