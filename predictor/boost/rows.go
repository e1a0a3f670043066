package boost

import (
	"fmt"
	"math"
	"slices"
)

// Rows are what a forest is fitted to: features, a target and a weight each. They come and go but
// never change: a copy of the struct is a snapshot that may be read while the original moves on.
type Rows struct {
	width   int
	blocks  [][]float32 // of blockRows rows each, so that growing copies none
	gone    int         // rows at the start of the first block that are no longer kept
	targets []float64
	weights []float64
}

const (
	blockRows = 1024
	// mostTarget leaves room for sums and differences of predictions in a float32.
	mostTarget = 1e30
)

// NewRows returns no rows, to have width features each: 1 to 32768.
func NewRows(width int) (*Rows, error) {
	if width < 1 || width > mostFeatures {
		return nil, fmt.Errorf("%d features, not 1 to %d", width, mostFeatures)
	}
	return &Rows{width: width}, nil
}

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.targets) }

// Append adds a row. Features may be anything; NaN is a missing one. The target has to be within
// ±1e30. The weight has to be a positive number in the range of a float32; a row that weighs 2
// counts as two that weigh 1. An error leaves the rows as they were.
func (r *Rows) Append(features []float32, target, weight float64) error {
	n := r.Len()
	switch {
	case len(features) != r.width:
		return fmt.Errorf("row %d: %d features, not %d", n, len(features), r.width)
	case !(math.Abs(target) <= mostTarget):
		return fmt.Errorf("row %d: target %g, not within ±%g", n, target, float64(mostTarget))
	case !(weight >= math.SmallestNonzeroFloat32 && weight <= math.MaxFloat32):
		return fmt.Errorf("row %d: weight %g is not a positive float32", n, weight)
	}
	if (r.gone+n)%blockRows == 0 {
		r.blocks = append(r.blocks, make([]float32, blockRows*r.width))
	}
	r.targets = append(r.targets, target)
	r.weights = append(r.weights, weight)
	copy(r.row(n), features)
	return nil
}

// KeepLast drops all rows but the last n. Called after each Append, it costs constant time per row
// and bounds memory to that of n rows and a block, of 1024 rows, besides.
func (r *Rows) KeepLast(n int) {
	drop := r.Len() - n
	if drop <= 0 {
		return
	}
	r.targets, r.weights = r.targets[drop:], r.weights[drop:]
	r.gone += drop
	if whole := r.gone / blockRows; whole > 0 {
		r.blocks = slices.Clone(r.blocks[whole:]) // the old array would hold on to them
		r.gone %= blockRows
	}
}

// row returns the features of row i.
func (r *Rows) row(i int) []float32 {
	i += r.gone
	at := i % blockRows * r.width
	return r.blocks[i/blockRows][at : at+r.width]
}
