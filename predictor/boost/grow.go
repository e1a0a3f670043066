package boost

import "math"

// A grower grows the trees of a fit, one after the other.
type grower struct {
	codes    *codes
	weights  []float64
	leaves   int // of a tree, at most
	splitter splitter

	// The fixed-point numbers that stand for 1.
	gradientOne, weightOne float64

	sums     []sum    // of each row alone
	used     []bool   // features that the tree may split by
	gathered []sum    // room for the sums of a leaf's rows
	aside    []int32  // room for the rows that go right
	spare    []counts // of leaves that need them no more
}

// A leaf of a growing tree.
type leaf struct {
	rows   []int32 // in their order
	total  sum
	link   *int16 // the child of a node that it is
	counts counts // none if it cannot be split
	split  split  // the best
}

// Counts are the histograms of a leaf's rows, by groups of four features, and the best split by
// each feature.
type counts struct {
	groups [][4]histogram
	splits []split
}

func newGrower(c *codes, weights []float64, o Options) *grower {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	g := &grower{
		codes:     c,
		weights:   weights,
		leaves:    o.Leaves,
		weightOne: one(total),
		sums:      make([]sum, len(weights)),
		used:      make([]bool, len(c.cuts)),
		gathered:  make([]sum, len(weights)),
		aside:     make([]int32, len(weights)),
	}
	g.splitter = splitter{l2: o.L2 * g.weightOne, minWeight: float64(o.MinRows) * g.weightOne}
	for row, w := range weights {
		g.sums[row].weight = int64(w * g.weightOne)
	}
	return g
}

// one is the fixed-point number for 1 with which sums up to total, not negative, do not overflow:
// the largest power of two, so that whole weights are exact.
func one(total float64) float64 {
	_, exponent := math.Frexp(total)
	return math.Ldexp(1, 62-max(exponent, -900)) // finite if total is all but nothing
}

// aim sets the gradients that the next tree is fitted to.
func (g *grower) aim(gradient func(row int) float64) {
	total := 0.0
	for row, w := range g.weights {
		total += math.Abs(w * gradient(row))
	}
	g.gradientOne = one(total)
	for row, w := range g.weights {
		g.sums[row].gradient = int64(w * gradient(row) * g.gradientOne)
	}
}

// grow returns a tree on rows that splits by some of the features, without values yet, and the rows
// of each of its leaves. It adds to gains what each feature has gained, and reorders rows. The tree
// has no nodes if no split gains anything.
func (g *grower) grow(rows, features []int32, gains []float64) (tree, [][]int32) {
	clear(g.used)
	for _, f := range features {
		g.used[f] = true
	}
	var top int16
	root := leaf{rows: rows, link: &top}
	for _, row := range rows {
		root.total = root.total.plus(g.sums[row])
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
		right := leaf{rows: parent.rows[goLeft:], total: parent.total.minus(s.left), link: &n.right}
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
	words, shift := g.codes.words[s.feature/4], 8*(s.feature%4)
	least := uint8(1) // of the codes that go left, which end with bin
	if s.missingLeft {
		least = 0
	}
	span := uint8(s.bin) - least
	left, right := 0, 0
	for _, row := range rows {
		if uint8(words[row]>>shift)-least <= span {
			rows[left] = row
			left++
		} else {
			g.aside[right] = row
			right++
		}
	}
	copy(rows[left:], g.aside[:right])
	return left
}

// examine finds the best split of a leaf by counting its rows, and that of its sibling, if it has
// one, whose counts are still those of both.
func (g *grower) examine(l, sibling *leaf) {
	l.counts = g.take()
	for i, row := range l.rows {
		g.gathered[i] = g.sums[row]
	}
	parallel(len(l.counts.groups), func(group int) {
		histograms := &l.counts.groups[group]
		count(histograms, g.codes.words[group], l.rows, g.gathered)
		g.search(l, group)
		if sibling != nil {
			for k := range histograms {
				sibling.counts.groups[group][k].subtract(&histograms[k])
			}
			g.search(sibling, group)
		}
	})
	g.choose(l)
	if sibling != nil {
		g.choose(sibling)
	}
}

// search finds the best split of a leaf by each feature of a group.
func (g *grower) search(l *leaf, group int) {
	for f := 4 * group; f < min(4*group+4, len(g.used)); f++ {
		l.counts.splits[f] = split{}
		if g.used[f] {
			l.counts.splits[f] = g.splitter.best(&l.counts.groups[group][f%4], g.codes.bins(f), l.total)
			l.counts.splits[f].feature = f
		}
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
	return counts{make([][4]histogram, len(g.codes.words)), make([]split, len(g.used))}
}

func (g *grower) release(l *leaf) {
	if l.counts.groups != nil {
		g.spare = append(g.spare, l.counts)
	}
	l.counts = counts{}
}
