package model

import (
	"math"

	"github.com/runcast/runcast/predictor/boost"
	"github.com/runcast/runcast/predictor/features"
)

// A tilt moves a distribution's weight towards its upper or its lower values. How
// far, boosted trees have learned from what the pool does not look at (columns):
// whether the groups agree, whether the user's runs have grown longer lately, whether
// it is night.
//
// The trees predict where in the distribution the value will fall: the logarithm of
// the odds of its rank. The odds of every point are then multiplied by the same
// factor. So the estimate stays within what runs have taken, whatever the trees say.
// (Trees that shift the values instead make the mean error on Philly half as large
// again.)
type tilt struct {
	forest *boost.Forest // nil until there were rows to fit it to
	trust  [features.NumLevels]trust
	// rows are kept, and the forest is fitted to them, only where a model learns from
	// the beginning; in one that was decoded they are nil.
	rows *boost.Rows
	seed uint64
	seen int // rows so far
	next int // number of rows seen at which to fit again
}

const (
	// firstFit is how many values the trees want before they say something.
	firstFit = 1000
	// mostRows is how many of the latest values they are fitted to.
	mostRows = 1 << 16
	// columnShare of the columns are drawn for each tree: half the work, and forests that
	// lean less on single columns.
	columnShare = 0.5
	// bins of a column: ranks are too noisy to need more.
	bins = 63
	// mostOdds bounds the logarithm of the odds of a rank: 1 in 20.
	mostOdds = 3
)

// newTilt returns one that learns from the beginning.
func newTilt(seed uint64) tilt {
	rows, err := boost.NewRows(numColumns)
	if err != nil {
		panic(err) // numColumns is out of range
	}
	return tilt{rows: rows, seed: seed, next: firstFit}
}

// A trust is the part of what the trees say of a level that has come true: the slope
// of the regression of what came on what they said, through zero.
type trust struct{ product, square float64 }

// priorTrust is the weight of the prior in squared log odds: half of it is true.
const priorTrust = 20

func (t *trust) learn(said, came float64) {
	t.product = fading*t.product + said*came
	t.square = fading*t.square + said*said
}

func (t *trust) part() float64 {
	return min(max((t.product+priorTrust/2)/(t.square+priorTrust), 0), 1)
}

// say returns what the trees say of a job that is described by x; zero if there are none.
func (t *tilt) say(x *columns) float64 {
	if t.forest == nil {
		return 0
	}
	return t.forest.Predict(x[:])
}

// apply tilts d by what the trees have said, as far as they are trusted.
func (t *tilt) apply(d *distribution, said float64) {
	if t.forest == nil {
		return
	}
	// Of each step, the odds of the mass up to it against that beyond shrink by the factor.
	factor := math.Exp(t.trust[d.level].part() * said)
	for i := range d.steps {
		upTo := d.steps[i].upTo
		d.steps[i].upTo = upTo / (upTo + (1-upTo)*factor)
	}
}

// learn compares what the trees have said of a job that is described by x with what came.
// d is not tilted.
func (t *tilt) learn(d *distribution, x *columns, said, came float64) {
	rank := d.rank(came)
	odds := min(max(math.Log(rank/(1-rank)), -mostOdds), mostOdds)
	t.trust[d.level].learn(said, odds)
	if t.rows == nil {
		return
	}
	if err := t.rows.Append(x[:], odds, 1); err != nil {
		panic(err) // odds are within mostOdds
	}
	t.rows.KeepLast(mostRows)
	if t.seen++; t.seen < t.next {
		return
	}
	t.next += t.next / 2
	forest, err := boost.Fit(t.rows, 0, t.rows.Len(), boost.Options{FeatureShare: columnShare, Bins: bins, Seed: t.seed})
	if err != nil {
		panic(err) // there are rows, and the options are constants within their bounds
	}
	t.forest = forest
}

// distribution returns the tilted distribution of a pool that is not empty; it shares
// the pool's memory.
func (t *target) distribution(p *pool, q *question) distribution {
	d := p.distribution()
	if t.tilt.forest != nil {
		var x columns
		q.columns(t, &d, &x)
		t.tilt.apply(&d, t.tilt.say(&x))
	}
	return d
}
