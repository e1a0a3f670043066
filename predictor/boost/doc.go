// Package boost fits gradient-boosted regression trees to rows of numbers. It knows nothing of
// jobs: numbers in, trees out.
//
// A forest is a constant and a sum of small trees, each fitted to what the ones before it left
// over (Friedman, "Greedy function approximation: a gradient boosting machine", 2001): its splits
// to the gradient of the loss, by least squares; then each of its leaves takes the value that is
// best for the loss itself. Trees grow leaf by leaf, the most profitable first, on histograms of
// up to 256 bins a feature; of two children only the smaller is counted, the other is the
// difference (Ke et al., "LightGBM", NIPS 2017). A missing value, NaN, goes to the side of a split
// that gains more.
//
// Gradients and weights are summed in fixed point, of 36 and 28 bits, to choose splits. Sums so
// depend on no order and differences are exact: the same rows, options and seed give the same
// forest, bit by bit, whatever the number of processors. A row with less than 4e-9 of all weight
// has no say in splits. Values of leaves are in floating point.
package boost
