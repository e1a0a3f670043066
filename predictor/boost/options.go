package boost

import "fmt"

// Options say how to fit. The zero value of each field is its default.
type Options struct {
	// Loss to make least; Squared by default.
	Loss Loss
	// Trees is the largest number of trees, 100 by default. With the default LearningRate more
	// add little on histories of jobs.
	Trees int
	// LearningRate is the share of a tree's values that counts, above 0 to 1; 0.1 by default.
	// Half of it wants twice as many trees for a slightly better fit (Friedman 2001, section 5).
	LearningRate float64
	// Leaves is the largest number of leaves of a tree, 2 to 32768; 31 by default, as LightGBM
	// has it: about as many as a tree five splits deep.
	Leaves int
	// MinRows is the least weight of a leaf: of rows, if each weighs 1; 20 by default. It is what
	// keeps a leaf's quantile from being that of a handful.
	MinRows int
	// L2 draws the mean of a leaf to zero as rows of that weight without a residual would, and the
	// other kinds of value in the same proportion; 0 by default, as MinRows bounds the noise.
	L2 float64
	// Bins is the largest number of bins that the values of a feature are sorted into, 2 to 255,
	// apart from the one for missing values; 255 by default.
	Bins int
	// RowShare and FeatureShare are the shares of rows and features that each tree is grown on,
	// drawn anew for each; above 0 to 1, all by default.
	RowShare, FeatureShare float64
	// Seed of the draws.
	Seed uint64
}

// Limits of what a node of a tree can hold.
const mostFeatures, mostLeaves = 1 << 15, 1 << 15

// check fills in defaults and reports what is out of bounds.
func (o *Options) check() error {
	defaultTo(&o.Trees, 100)
	defaultTo(&o.LearningRate, 0.1)
	defaultTo(&o.Leaves, 31)
	defaultTo(&o.MinRows, 20)
	defaultTo(&o.Bins, 255)
	defaultTo(&o.RowShare, 1)
	defaultTo(&o.FeatureShare, 1)
	switch {
	case o.Trees < 1:
		return fmt.Errorf("%d trees, not 1 or more", o.Trees)
	case !(o.LearningRate > 0 && o.LearningRate <= 1):
		return fmt.Errorf("a learning rate of %g, not above 0 to 1", o.LearningRate)
	case o.Leaves < 2 || o.Leaves > mostLeaves:
		return fmt.Errorf("%d leaves, not 2 to %d", o.Leaves, mostLeaves)
	case o.MinRows < 1:
		return fmt.Errorf("at least %d rows to a leaf, not 1 or more", o.MinRows)
	case !(o.L2 >= 0 && o.L2 < 1e9):
		return fmt.Errorf("an L2 of %g, not 0 to 1e9", o.L2)
	case o.Bins < 2 || o.Bins > 255:
		return fmt.Errorf("%d bins, not 2 to 255", o.Bins)
	case !(o.RowShare > 0 && o.RowShare <= 1):
		return fmt.Errorf("a share of %g of the rows, not above 0 to 1", o.RowShare)
	case !(o.FeatureShare > 0 && o.FeatureShare <= 1):
		return fmt.Errorf("a share of %g of the features, not above 0 to 1", o.FeatureShare)
	}
	return o.Loss.check()
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
