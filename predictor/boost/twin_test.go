package boost

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A twin is a forest fitted the plain way: each split of each node is found by trying every value
// of every feature on every row, in floating point. It is an obvious reading of the package
// comment, for few rows, every one of which it uses.
type twin struct {
	base  float64
	trees []*twinNode
}

type twinNode struct {
	rows        []int
	value       float32
	left, right *twinNode // nil at a leaf
	twinSplit
}

type twinSplit struct {
	gain        float64
	feature     int
	bound       float32 // the largest value that goes left
	missingLeft bool
}

func fitTwin(rows *Rows, o Options) *twin {
	if err := o.check(); err != nil {
		panic(err)
	}
	all := make([]int, rows.Len())
	predictions, residuals := make([]float64, rows.Len()), slices.Clone(rows.targets)
	for i := range all {
		all[i] = i
	}
	t := &twin{base: twinBest(rows, all, residuals, o.Loss)}
	for i := range all {
		predictions[i] = t.base
	}
	for range o.Trees {
		for i, y := range rows.targets {
			residuals[i] = y - predictions[i]
		}
		root := &twinNode{rows: all}
		root.search(rows, residuals, o)
		leaves := []*twinNode{root}
		for len(leaves) < o.Leaves {
			at := 0
			for i, l := range leaves {
				if l.gain > leaves[at].gain {
					at = i
				}
			}
			l := leaves[at]
			if l.gain == 0 {
				break
			}
			l.left, l.right = &twinNode{}, &twinNode{}
			for _, i := range l.rows {
				child := l.child(rows.row(i))
				child.rows = append(child.rows, i)
			}
			l.left.search(rows, residuals, o)
			l.right.search(rows, residuals, o)
			leaves[at] = l.left
			leaves = append(leaves, l.right)
		}
		if len(leaves) == 1 {
			continue
		}
		for _, l := range leaves {
			weight := 0.0
			for _, i := range l.rows {
				weight += rows.weights[i]
			}
			l.value = float32(o.LearningRate * twinBest(rows, l.rows, residuals, o.Loss) * weight / (weight + o.L2))
			for _, i := range l.rows {
				predictions[i] += float64(l.value)
			}
		}
		t.trees = append(t.trees, root)
	}
	return t
}

func twinBest(rows *Rows, of []int, residuals []float64, l Loss) float64 {
	var samples []Sample
	for _, i := range of {
		samples = append(samples, Sample{residuals[i], rows.weights[i]})
	}
	return l.Best(samples)
}

func (n *twinNode) child(x []float32) *twinNode {
	if n.goesLeft(x) {
		return n.left
	}
	return n.right
}

func (s twinSplit) goesLeft(x []float32) bool {
	v := x[s.feature]
	if v != v {
		return s.missingLeft
	}
	return v <= s.bound
}

func (n *twinNode) search(rows *Rows, residuals []float64, o Options) {
	score := func(goes func(i int) bool) (score, weight float64) {
		var g, w float64
		for _, i := range n.rows {
			if goes(i) {
				g += rows.weights[i] * o.Loss.gradient(residuals[i])
				w += rows.weights[i]
			}
		}
		return g * g / (w + o.L2), w
	}
	whole, _ := score(func(int) bool { return true })
	least := whole * (1 + rounding)
	for feature := range rows.width {
		var values []float32
		missing := false
		for _, i := range n.rows {
			if v := rows.row(i)[feature]; v == v {
				values = append(values, v)
			} else {
				missing = true
			}
		}
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			for _, missingLeft := range []bool{false, true} {
				s := twinSplit{feature: feature, bound: v, missingLeft: missingLeft}
				left, leftWeight := score(func(i int) bool { return s.goesLeft(rows.row(i)) })
				right, rightWeight := score(func(i int) bool { return !s.goesLeft(rows.row(i)) })
				if !missing {
					s.missingLeft = leftWeight > rightWeight
				}
				if min(leftWeight, rightWeight) >= float64(o.MinRows) && left+right > least {
					least = left + right
					s.gain = left + right - whole
					n.twinSplit = s
				}
			}
		}
	}
}

func (t *twin) predict(x []float32) float64 {
	y := t.base
	for _, n := range t.trees {
		for n.left != nil {
			n = n.child(x)
		}
		y += float64(n.value)
	}
	return y
}

// few returns rows of which each feature has few values, some infinite, some missing, so that
// bins tell all of them apart.
func few(t testing.TB, random *rand.Rand, n, width int) *Rows {
	t.Helper()
	rows, err := NewRows(width)
	if err != nil {
		t.Fatal(err)
	}
	values := []float32{float32(math.NaN()), float32(math.Inf(-1)), -1e30, -2, -1, 0, 1, 2.5, 100, 1e30, float32(math.Inf(1))}
	x := make([]float32, width)
	for range n {
		for f := range x {
			x[f] = values[random.IntN(2+(f*3+4)%(len(values)-1))]
		}
		y := random.NormFloat64()
		for f, v := range x {
			if v > 0 {
				y += float64(f)
			}
		}
		if err := rows.Append(x, y, float64(1+random.IntN(3))/2); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func TestAgainstTwin(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 8))
		rows := few(t, random, 1+random.IntN(150), 1+random.IntN(6))
		o := Options{
			// Gradients of the linear losses are multiples of 1/4, so that two splits that gain the same
			// gain the same in floating point.
			Loss:         []Loss{Squared(), Absolute(), Pinball(0.75), Asymmetric(3, 1)}[random.IntN(4)],
			Trees:        1 + random.IntN(5),
			LearningRate: 0.3,
			Leaves:       2 + random.IntN(10),
			MinRows:      1 + random.IntN(5),
			L2:           float64(random.IntN(3)),
		}
		f, twin := mustFit(t, rows, o), fitTwin(rows, o)
		if len(f.trees) != len(twin.trees) {
			t.Fatalf("seed %d: %d trees, the twin has %d", seed, len(f.trees), len(twin.trees))
		}
		for i := range f.trees {
			sameSplits(t, seed, i, rows, &f.trees[i], 0, twin.trees[i])
		}
		for i := range rows.Len() {
			if got, want := f.Predict(rows.row(i)), twin.predict(rows.row(i)); got != want {
				t.Fatalf("seed %d, row %d: %g, the twin says %g", seed, i, got, want)
			}
		}
	}
}

// sameSplits compares a node, or the complement of a leaf, and all below it, with the twin's.
func sameSplits(t *testing.T, seed uint64, number int, rows *Rows, tree *tree, at int16, twin *twinNode) {
	t.Helper()
	if at < 0 != (twin.left == nil) {
		t.Fatalf("seed %d, tree %d: a leaf on one side only", seed, number)
	}
	if at < 0 {
		return
	}
	n := tree.nodes[at]
	if int(n.feature) != twin.feature || n.missingLeft != twin.missingLeft {
		t.Fatalf("seed %d, tree %d, node %d: %+v, the twin splits %+v", seed, number, at, n, twin.twinSplit)
	}
	for _, i := range twin.rows {
		if v := rows.row(i)[n.feature]; v == v && v <= n.bound != (v <= twin.bound) {
			t.Fatalf("seed %d, tree %d, node %d: %g goes elsewhere", seed, number, at, v)
		}
	}
	sameSplits(t, seed, number, rows, tree, n.left, twin.left)
	sameSplits(t, seed, number, rows, tree, n.right, twin.right)
}
