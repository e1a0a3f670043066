package boost

import (
	"math"
	"slices"
)

// A code is the bin that a value falls into: 0 if it is missing, from 1 up otherwise.

// Codes holds the codes of the rows of a fit, those of four features side by side in a word:
// counting is bound by memory, and so reads a quarter of the words.
type codes struct {
	cuts  [][]float32 // of each feature: bin b holds values above cuts[b-2], up to cuts[b-1]
	words [][]uint32  // words[f/4][row]
}

// of returns the code of a feature in a row.
func (c *codes) of(feature int, row int32) uint8 {
	return uint8(c.words[feature/4][row] >> (8 * (feature % 4)))
}

// bins is the number of bins that a feature's values fall into.
func (c *codes) bins(feature int) int { return len(c.cuts[feature]) + 1 }

// sampleRows is how many rows, evenly spread, bins are chosen by.
const sampleRows = 50_000

// encode sorts the features of rows into bins.
func encode(rows *Rows, from, to, bins int) *codes {
	c := &codes{
		cuts:  make([][]float32, rows.width),
		words: make([][]uint32, (rows.width+3)/4),
	}
	n := to - from
	parallel(len(c.words), func(group int) {
		first, last := 4*group, min(4*group+4, rows.width)
		values := make([]float32, 0, min(n, sampleRows))
		for f := first; f < last; f++ {
			values = values[:0]
			for i := range cap(values) {
				v := rows.row(from + i*n/cap(values))[f]
				if v == v {
					values = append(values, v)
				}
			}
			c.cuts[f] = cuts(values, bins)
		}
		words := make([]uint32, n)
		for i := range words {
			x := rows.row(from + i)
			for f := first; f < last; f++ {
				words[i] |= uint32(code(x[f], c.cuts[f])) << (8 * (f % 4))
			}
		}
		c.words[group] = words
	})
	return c
}

// code is the bin of value between cuts.
func code(value float32, cuts []float32) uint8 {
	if value != value {
		return 0
	}
	low, high := 0, len(cuts)
	for low < high {
		if mid := (low + high) / 2; cuts[mid] < value {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return uint8(low + 1)
}

// cuts chooses the bounds of bins for values, which it sorts: one for each distinct value if they
// are few, else bins of about as many values each, where a frequent value has its own.
func cuts(values []float32, bins int) []float32 {
	slices.Sort(values)
	distinct := 0
	for i, v := range values {
		if i == 0 || v != values[i-1] {
			distinct++
		}
	}
	var bounds []float32
	begin := 0 // of the current bin
	for i := 1; i < len(values) && len(bounds) < bins-1; i++ {
		if values[i] == values[i-1] {
			continue
		}
		if distinct <= bins || i-begin >= (len(values)-begin)/(bins-len(bounds)) {
			bounds = append(bounds, between(values[i-1], values[i]))
			begin = i
		}
	}
	return bounds
}

// between returns a bound that lower is not above and upper is, halfway if there is a halfway.
func between(lower, upper float32) float32 {
	mid := float32((float64(lower) + float64(upper)) / 2)
	if mid >= lower && mid < upper {
		return mid
	}
	return lower // neighbours, or one of them is infinite
}

// bound is the largest value that goes left at a split after bin.
func (c *codes) bound(feature, bin int) float32 {
	if bin == c.bins(feature) {
		return float32(math.Inf(1)) // all but the missing ones
	}
	return c.cuts[feature][bin-1]
}
