package boost

import (
	"fmt"
	"math"
)

// Rows are what a forest is fitted to: features, a target and a weight each. They are appended to
// and never change: a copy of the struct is a snapshot that may be read while the original grows.
type Rows struct {
	width   int
	blocks  [][]float32 // of blockRows rows each, so that growing copies none
	targets []float64
	weights []float64
}

const blockRows = 1024

// mostTarget leaves room for sums and differences of predictions in a float32.
const mostTarget = 1e30

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
// ±1e30 and the weight positive, in the range of a float32. Weights are relative: a row that weighs
// 2 counts as two that weigh 1. An error leaves the rows as they were.
func (r *Rows) Append(features []float32, target, weight float64) error {
	switch {
	case len(features) != r.width:
		return fmt.Errorf("row %d: %d features, not %d", r.Len(), len(features), r.width)
	case !(math.Abs(target) <= mostTarget):
		return fmt.Errorf("row %d: target %g, not within ±%g", r.Len(), target, mostTarget)
	case !(weight >= math.SmallestNonzeroFloat32 && weight <= math.MaxFloat32):
		return fmt.Errorf("row %d: weight %g is not a positive float32", r.Len(), weight)
	}
	if r.Len()%blockRows == 0 {
		r.blocks = append(r.blocks, make([]float32, 0, blockRows*r.width))
	}
	last := &r.blocks[len(r.blocks)-1]
	*last = append(*last, features...)
	r.targets = append(r.targets, target)
	r.weights = append(r.weights, weight)
	return nil
}

// row returns the features of row i.
func (r *Rows) row(i int) []float32 {
	at := i % blockRows * r.width
	return r.blocks[i/blockRows][at : at+r.width]
}
