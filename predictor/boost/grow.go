package boost

// A grower grows the trees of a fit, one after the other.
type grower struct {
	codes   *codes
	divider divider
	leaves  int

	features []bool  // those that the tree may use
	sums     []sum   // of each row
	gathered []sum   // those of a node's rows
	aside    []int32 // rows that go right while a node is divided
	spare    [][4]histogram
	free     [][][4]histogram
	found    []split // by feature, of the smaller child and of the larger
	found2   []split
}

// A leaf is a node of a growing tree that may still be split.
type leaf struct {
	rows  []int32 // in their order
	total sum
	// of four features each; nil if the leaf cannot be split
	histograms [][4]histogram
	best       split
	// the pointer to it in the tree
	parent int
	right  bool
}

// grow returns a tree on rows, and the rows of each of its leaves; a tree without nodes if no split
// gains anything. It reorders rows.
func (g *grower) grow(rows []int32) (tree, [][]int32, []split) {
	root := leaf{rows: rows, parent: -1}
	for _, r := range rows {
		root.total = root.total.plus(g.sums[r])
	}
	root.histograms = g.histograms()
	g.gather(rows)
	parallel(len(root.histograms), func(group int) {
		count(&root.histograms[group], g.codes.words[group], rows, g.gathered)
		g.search(group, &root, g.found)
	})
	g.choose(&root, g.found)

	var t tree
	var splits []split
	leaves := []leaf{root}
	for len(leaves) < g.leaves {
		at := 0
		for i := range leaves {
			if leaves[i].best.gain > leaves[at].best.gain*clearly {
				at = i
			}
		}
		parent := leaves[at]
		if parent.best.gain == 0 {
			break
		}
		s := parent.best
		splits = append(splits, s)
		number := len(t.nodes)
		t.nodes = append(t.nodes, node{
			bound:       g.codes.bound(s.feature, s.bin),
			feature:     uint16(s.feature),
			missingLeft: s.missingLeft,
			left:        ^int16(at),
			right:       ^int16(len(leaves)),
		})
		if parent.parent >= 0 {
			if p := &t.nodes[parent.parent]; parent.right {
				p.right = int16(number)
			} else {
				p.left = int16(number)
			}
		}
		cut := g.divide(parent.rows, s)
		left := leaf{rows: parent.rows[:cut], total: s.left, parent: number}
		right := leaf{rows: parent.rows[cut:], total: parent.total.minus(s.left), parent: number, right: true}
		if len(leaves)+1 < g.leaves {
			g.examine(parent.histograms, &left, &right)
		} else {
			g.release(parent.histograms)
		}
		leaves[at] = left
		leaves = append(leaves, right)
	}
	ends := make([][]int32, len(leaves))
	for i, l := range leaves {
		ends[i] = l.rows
		if l.histograms != nil {
			g.release(l.histograms)
		}
	}
	return t, ends, splits
}

// divide moves the rows that a split sends left before the others, and returns how many they are.
// The order within each side stays.
func (g *grower) divide(rows []int32, s split) int {
	words, shift := g.codes.words[s.feature/4], 8*(s.feature%4)
	lowest := uint8(1) // code that goes left
	if s.missingLeft {
		lowest = 0
	}
	width := uint8(s.bin) - lowest
	left, right := 0, 0
	for _, r := range rows {
		if uint8(words[r]>>shift)-lowest <= width {
			rows[left] = r
			left++
		} else {
			g.aside[right] = r
			right++
		}
	}
	copy(rows[left:], g.aside[:right])
	return left
}

// gather collects the sums of rows, side by side.
func (g *grower) gather(rows []int32) {
	for i, r := range rows {
		g.gathered[i] = g.sums[r]
	}
}

// examine finds the best splits of two leaves whose parent had the given histograms.
func (g *grower) examine(histograms [][4]histogram, left, right *leaf) {
	small, large := left, right
	if len(small.rows) > len(large.rows) {
		small, large = large, small
	}
	small.histograms, large.histograms = g.histograms(), histograms
	g.gather(small.rows)
	parallel(len(histograms), func(group int) {
		count(&small.histograms[group], g.codes.words[group], small.rows, g.gathered)
		for k := range 4 {
			if f := 4*group + k; f < len(g.features) && g.features[f] {
				large.histograms[group][k].subtract(&small.histograms[group][k], g.codes.bins(f))
			}
		}
		g.search(group, small, g.found)
		g.search(group, large, g.found2)
	})
	g.choose(small, g.found)
	g.choose(large, g.found2)
}

// search finds the best split of a leaf by each feature of a group.
func (g *grower) search(group int, l *leaf, found []split) {
	for k := range 4 {
		f := 4*group + k
		if f >= len(g.features) {
			return
		}
		found[f] = split{}
		if g.features[f] {
			found[f] = g.divider.divide(&l.histograms[group][k], g.codes.bins(f), l.total)
			found[f].feature = f
		}
	}
}

// choose takes the best of the splits found.
func (g *grower) choose(l *leaf, found []split) {
	for _, s := range found {
		if s.gain > l.best.gain*clearly {
			l.best = s
		}
	}
	if l.best.gain == 0 {
		g.release(l.histograms)
		l.histograms = nil
	}
}

// histograms returns empty ones for all features.
func (g *grower) histograms() [][4]histogram {
	if n := len(g.free); n > 0 {
		h := g.free[n-1]
		g.free = g.free[:n-1]
		clear(h)
		return h
	}
	return make([][4]histogram, len(g.codes.words))
}

func (g *grower) release(h [][4]histogram) { g.free = append(g.free, h) }
