package model

import (
	"math"
	"sort"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

const (
	// tailWindow is how many of the job's own latest runs tell how far it can reach.
	tailWindow = 256
	// fewestTail is how many it takes: a pool has as many itself.
	fewestTail = features.Window
	// haste is how fast the weight goes to the one of the two that has done better, and
	// fadingTail what the next value leaves of the past: the latest 500 count.
	haste, fadingTail = 0.3, 0.998
	// faintest is the share below which the latest runs are left out.
	faintest = 0.001
)

// A tail weighs a pool against the whole of the job's own latest runs, all of which count
// the same, in what the upper quantiles are read from. A pool follows what is new, a
// handful of runs: where those come in bursts of like ones, as in a queue that many people
// share, they tell nothing of how much longer the next burst takes. The weight goes by
// recent loss at the p90 (Hedge: Freund and Schapire, 1997).
type tail struct {
	behind float64 // how much more the latest runs have lost than the pool, lately
}

// weight returns the share of the latest runs.
func (t *tail) weight() float64 { return 1 / (1 + math.Exp(haste*t.behind)) }

// learn compares a p90 of each, on the logarithmic scale, with what came.
func (t *tail) learn(pool, latest, came float64) {
	t.behind = fadingTail*t.behind + lossAtP90(latest, came) - lossAtP90(pool, came)
}

// lossAtP90 is the pinball loss.
func lossAtP90(p90, came float64) float64 {
	if came > p90 {
		return 0.9 * (came - p90)
	}
	return 0.1 * (p90 - came)
}

// A mixture is a pool's distribution, of which a share is replaced by the job's own latest
// runs where the upper quantiles are concerned.
type mixture struct {
	distribution
	latest []point // in ascending order
	share  float64 // of the latest runs; zero if there are none
}

// mix adds the job's own latest runs to what a pool says.
func (t *tail) mix(d distribution, latest []point) mixture {
	share := t.weight()
	if len(latest) == 0 || share < faintest {
		share = 0
	}
	return mixture{d, latest, share}
}

// ownLatest returns the latest of the job's own runs, up to tailWindow, that had finished at
// some time; the zero time is now.
func (m *Model) ownLatest(q *question, at time.Time) []*features.Run {
	return m.history.Latest(q.own(), at, tailWindow)
}

// enterLatest takes a job's latest runs, and returns in ascending order what they tell; nil
// if they are too few. It holds until the pool is released.
func (p *pool) enterLatest(runs []*features.Run) []point {
	p.latest = p.latest[:0]
	for _, r := range runs {
		if v := p.target.of(r); v.Known && !v.Censored {
			p.latest = append(p.latest, value{point: point{log: v.Log}})
		}
	}
	if len(p.latest) <= fewestTail {
		return nil
	}
	return p.sorter.sort(p.latest)
}

// under returns the mass below log.
func (x *mixture) under(log float64) float64 {
	if x.share == 0 {
		return x.below(log)
	}
	latest := sort.Search(len(x.latest), func(i int) bool { return x.latest[i].log >= log })
	return (1-x.share)*x.below(log) + x.share*float64(latest)/float64(len(x.latest))
}

// upper returns the smallest value with at least level of the mass at or below it; beyond
// all mass, the largest. It looks from above.
func (x *mixture) upper(level float64) float64 {
	if x.share == 0 {
		return x.quantile(level)
	}
	i, j := len(x.steps)-1, len(x.latest)-1
	for {
		var log float64
		if j < 0 || i >= 0 && x.steps[i].log > x.latest[j].log {
			log, i = x.steps[i].log, i-1
		} else {
			log, j = x.latest[j].log, j-1
		}
		mass := x.share * float64(j+1) / float64(len(x.latest))
		if i >= 0 {
			mass += (1 - x.share) * x.steps[i].upTo
		}
		if mass < level {
			return log
		}
	}
}

// learnTail compares the pool's p90 and that of the job's own latest runs with what came.
// That of the latest runs is by split conformal prediction: of all of them and of the next
// run, one in ten at most is above it.
func (t *target) learnTail(d *distribution, latest []point, came float64) {
	n := len(latest)
	if n == 0 {
		return
	}
	const p90 = 2 // place in predictor.Levels
	pool := t.calibration.read(&mixture{distribution: *d})[p90]
	k := min(int(math.Ceil(predictor.Levels[p90]*float64(n+1))), n)
	t.tail.learn(pool, latest[k-1].log, came)
}
