package boost

import (
	"math"
	"slices"
)

// A code is the bin that a value falls into: 0 if it is missing, from 1 up otherwise.

// Codes holds the codes of the rows of a fit.
type codes struct {
	cuts    [][]float32 // of each feature: bin b holds values above cuts[b-2], up to cuts[b-1]
	columns [][]uint8   // columns[feature][row]
}

// bins is the number of bins that a feature's values fall into.
func (c *codes) bins(feature int) int { return len(c.cuts[feature]) + 1 }

// sampleRows is how many rows, evenly spread, bins are chosen by: about 80 a bin.
const sampleRows = 20_000

// encode sorts the features of rows into bins.
func encode(rows *Rows, from, to, bins int) *codes {
	n := to - from
	c := &codes{cuts: make([][]float32, rows.width), columns: make([][]uint8, rows.width)}
	parallel(rows.width, func(f int) {
		values := make([]float32, 0, min(n, sampleRows))
		for i := range cap(values) {
			if v := rows.row(from + i*n/cap(values))[f]; v == v {
				values = append(values, v)
			}
		}
		c.cuts[f] = cuts(values, bins)
		c.columns[f] = make([]uint8, n)
	})
	inChunks(n, func(_, first, last int) {
		for i := first; i < last; i++ {
			for f, v := range rows.row(from + i) {
				c.columns[f][i] = code(v, c.cuts[f])
			}
		}
	})
	return c
}

// pack writes the codes of four features side by side into words, one a row: counting them then
// waits for memory a quarter as often. If features are fewer, the last is repeated.
func (c *codes) pack(words []uint32, features []int32) {
	var columns [4][]uint8
	for k := range columns {
		columns[k] = c.columns[features[min(k, len(features)-1)]][:len(words)]
	}
	for row := range words {
		words[row] = uint32(columns[0][row]) | uint32(columns[1][row])<<8 |
			uint32(columns[2][row])<<16 | uint32(columns[3][row])<<24
	}
}

// code is the bin of value between cuts.
func code(value float32, cuts []float32) uint8 {
	if value != value {
		return 0
	}
	// The number of cuts under value is low to low+n. No jump depends on value: a jump that nothing
	// foretells takes longer than all the rest.
	low, n := 0, len(cuts)
	for n > 0 {
		half := (n + 1) / 2
		above := 0
		if cuts[low+half-1] < value {
			above = 1
		}
		low += half * above
		n -= half
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
