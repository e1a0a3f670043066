package boost

import (
	"math"
	"slices"
)

// A grower grows the trees of a fit, one after the other.
type grower struct {
	codes    *codes
	weights  []float64
	leaves   int // of a tree, at most
	splitter splitter

	// The fixed-point numbers that stand for 1.
	gradientOne, weightOne float64

	gradients []float64  // of each row, times its weight
	sums      []sum      // of each row alone
	features  []int32    // that the tree may split by, in order
	words     [][]uint32 // words[k][row]: the codes of features[4*k:4*k+4]
	aside     []int32    // room for the rows that go right
	spare     []counts   // of leaves that need them no more
}

// A leaf of a growing tree.
type leaf struct {
	rows   []int32 // in their order
	total  sum
	link   *int16 // the child of a node that it is
	counts counts // none if it cannot be split
	split  split  // the best
}

// Counts are the histograms of a leaf's rows, four features together, and the best split by each
// feature.
type counts struct {
	groups [][4]histogram
	splits []split
}

func newGrower(c *codes, weights []float64, o Options) *grower {
	n := len(weights)
	total := 0.0
	for _, w := range weights {
		total += w
	}
	g := &grower{
		codes:     c,
		weights:   weights,
		leaves:    o.Leaves,
		weightOne: one(total, weightBits-1),
		gradients: make([]float64, n),
		sums:      make([]sum, n),
		aside:     make([]int32, n),
	}
	least := math.Ceil(float64(o.MinRows) * g.weightOne)
	g.splitter = splitter{
		l2:        o.L2 * g.weightOne,
		minWeight: int64(min(max(least, 1), 1<<weightBits)),
	}
	for row, w := range weights {
		g.sums[row] = sum(math.RoundToEven(w * g.weightOne))
	}
	return g
}

// one is the fixed-point number for 1 that takes total, not negative, under 1<<bits: the largest
// power of two, so that whole weights are exact.
func one(total float64, bits int) float64 {
	_, exponent := math.Frexp(total)
	return math.Ldexp(1, bits-max(exponent, -900)) // finite if total is all but nothing
}

// aim sets the gradients that the next tree is fitted to.
func (g *grower) aim(gradient func(row int) float64) {
	n := len(g.weights)
	totals := make([]float64, chunks(n))
	inChunks(n, func(chunk, from, to int) {
		for row := from; row < to; row++ {
			g.gradients[row] = g.weights[row] * gradient(row)
			totals[chunk] += math.Abs(g.gradients[row])
		}
	})
	total := 0.0
	for _, t := range totals {
		total += t
	}
	g.gradientOne = one(total, gradientBits-2)
	inChunks(n, func(_, from, to int) {
		for row := from; row < to; row++ {
			fixed := sum(math.RoundToEven(g.gradients[row] * g.gradientOne))
			g.sums[row] = fixed<<weightBits + sum(g.sums[row].weight())
		}
	})
}

// use makes the next trees split by features, in order, of which there are always as many. It
// keeps them.
func (g *grower) use(features []int32) {
	if slices.Equal(features, g.features) {
		return
	}
	if g.words == nil {
		g.words = make([][]uint32, (len(features)+3)/4)
		for k := range g.words {
			g.words[k] = make([]uint32, len(g.weights))
		}
	}
	g.features = features
	parallel(len(g.words), func(k int) { g.codes.pack(g.words[k], g.group(k)) })
}

// group returns the features whose codes are in words[k], up to four.
func (g *grower) group(k int) []int32 { return g.features[4*k : min(4*k+4, len(g.features))] }

// grow returns a tree on rows, without values yet, and the rows of each of its leaves. It adds to
// gains what each feature has gained, and reorders rows. The tree has no nodes if no split gains
// anything.
func (g *grower) grow(rows []int32, gains []float64) (tree, [][]int32) {
	var top int16
	root := leaf{rows: rows, link: &top}
	for _, row := range rows {
		root.total += g.sums[row]
	}
	g.examine(&root, nil)

	leaves := []leaf{root}
	t := tree{nodes: make([]node, 0, g.leaves-1)} // links are into it, so that it must not move
	for len(leaves) < g.leaves {
		at := 0
		for i := range leaves {
			if leaves[i].split.gain > leaves[at].split.gain {
				at = i
			}
		}
		parent := leaves[at]
		s := parent.split
		if s.gain == 0 {
			break
		}
		gains[s.feature] += s.gain * g.weightOne / g.gradientOne / g.gradientOne
		*parent.link = int16(len(t.nodes))
		t.nodes = append(t.nodes, node{
			bound:       g.codes.bound(s.feature, s.bin),
			feature:     uint16(s.feature),
			missingLeft: s.missingLeft,
			left:        ^int16(at),
			right:       ^int16(len(leaves)),
		})
		n := &t.nodes[len(t.nodes)-1]
		goLeft := g.divide(parent.rows, s)
		left := leaf{rows: parent.rows[:goLeft], total: s.left, link: &n.left}
		right := leaf{rows: parent.rows[goLeft:], total: parent.total - s.left, link: &n.right}
		small, large := &left, &right
		if len(small.rows) > len(large.rows) {
			small, large = large, small
		}
		large.counts = parent.counts
		if len(leaves)+1 < g.leaves {
			g.examine(small, large)
		}
		leaves[at] = left
		leaves = append(leaves, right)
	}
	ends := make([][]int32, len(leaves))
	for i := range leaves {
		ends[i] = leaves[i].rows
		g.release(&leaves[i])
	}
	return t, ends
}

// divide moves the rows that a split sends left before the others, and returns how many they are.
// Rows of a side stay in their order.
func (g *grower) divide(rows []int32, s split) int {
	column := g.codes.columns[s.feature]
	least := uint8(1) // of the codes that go left, which end with bin
	if s.missingLeft {
		least = 0
	}
	span := uint8(s.bin) - least
	left, right := 0, 0
	for _, row := range rows {
		// Both ways, and one is kept: a jump would be mispredicted too often.
		rows[left], g.aside[right] = row, row
		goes := 0
		if column[row]-least <= span {
			goes = 1
		}
		left += goes
		right += 1 - goes
	}
	copy(rows[left:], g.aside[:right])
	return left
}

// examine finds the best split of a leaf by counting its rows, and that of its sibling, if it has
// one, whose counts are still those of both.
func (g *grower) examine(l, sibling *leaf) {
	l.counts = g.take()
	parallel(len(g.words), func(k int) {
		histograms := &l.counts.groups[k]
		count(histograms, g.words[k], l.rows, g.sums)
		g.search(l, k)
		if sibling != nil {
			for i := range histograms {
				sibling.counts.groups[k][i].subtract(&histograms[i])
			}
			g.search(sibling, k)
		}
	})
	g.choose(l)
	if sibling != nil {
		g.choose(sibling)
	}
}

// search finds the best split of a leaf by each feature of a group.
func (g *grower) search(l *leaf, k int) {
	for i, f := range g.group(k) {
		s := g.splitter.best(&l.counts.groups[k][i], g.codes.bins(int(f)), l.total)
		s.feature = int(f)
		l.counts.splits[4*k+i] = s
	}
}

// choose takes the best of the splits found; the first of equals.
func (g *grower) choose(l *leaf) {
	for _, s := range l.counts.splits {
		if s.gain > l.split.gain {
			l.split = s
		}
	}
	if l.split.gain == 0 {
		g.release(l)
	}
}

// take returns empty histograms.
func (g *grower) take() counts {
	if last := len(g.spare) - 1; last >= 0 {
		c := g.spare[last]
		g.spare = g.spare[:last]
		clear(c.groups)
		return c
	}
	return counts{make([][4]histogram, len(g.words)), make([]split, len(g.features))}
}

func (g *grower) release(l *leaf) {
	if l.counts.groups != nil {
		g.spare = append(g.spare, l.counts)
	}
	l.counts = counts{}
}
