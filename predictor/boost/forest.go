package boost

// A Forest predicts a target from features.
type Forest struct {
	width int
	base  float64 // what the trees add to
	trees []tree
	gains []float64 // by feature
}

// A tree has values at its leaves. Nodes come after their parents.
type tree struct {
	nodes  []node
	values []float32
}

// A node sends a row left if its feature is not above bound; a missing one as missingLeft says.
// A negative child is the complement of a leaf's number.
type node struct {
	bound       float32
	feature     uint16
	left, right int16
	missingLeft bool
}

// value of the leaf that x falls into; the tree has at least one node.
func (t *tree) value(x []float32) float32 {
	at := int16(0)
	for at >= 0 {
		n := &t.nodes[at]
		if v := x[n.feature]; v <= n.bound || v != v && n.missingLeft {
			at = n.left
		} else {
			at = n.right
		}
	}
	return t.values[^at]
}

// Predict returns the prediction for a row with the features x, as many as the rows of the fit
// had. It is finite. Any number of goroutines may predict with one forest.
func (f *Forest) Predict(x []float32) float64 {
	y := f.base
	for i := range f.trees {
		y += float64(f.trees[i].value(x))
	}
	return y
}

// Width is the number of features that Predict takes.
func (f *Forest) Width() int { return f.width }

// Importance returns, for each feature, the share of the forest's gain that came from splits on
// it; they add up to 1 unless there are none. A gain is the squared error of gradients that a
// split removed.
func (f *Forest) Importance() []float64 {
	total := 0.0
	for _, g := range f.gains {
		total += g
	}
	shares := make([]float64, f.width)
	for i, g := range f.gains {
		if total > 0 {
			shares[i] = g / total
		}
	}
	return shares
}
