package model

import (
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor/features"
)

const (
	// ageing is the weight of a run against the next newer one of its group: half
	// after 14 runs. Among the recent ones it is half after one.
	ageing, ageingRecent = 0.95, 0.5
	// fewRuns is how many runs the way recent takes.
	fewRuns = 4
	// negligible is the share of the weight at which coarser groups no longer matter.
	negligible = 0.01
	// faint is the evidence, in runs, below which a group says nothing.
	faint = 0.1
)

// A pool is the runs that an estimate rests on.
type pool struct {
	points     []point // weights sum to one
	components []component
}

// A component is one group's runs, entered in one way: points[from:to], with
// weights that sum to share.
type component struct {
	level, size int
	way         way
	from, to    int
	share       float64
	exact       int  // runs that are not censored
	linear      bool // shifted by the group's regression
}

// A question is what the pool is asked for.
type question struct {
	keys *features.Keys
	ask  *features.Ask
	at   time.Time // the runs that had finished then; the zero time is now
	deep bool      // coarse groups matter however little weight is left for them
}

// pool collects what the groups of a job know; it has no points if they know nothing.
func (m *Model) pool(t *target, q question) pool {
	p := pool{points: make([]point, 0, 4*features.Window), components: make([]component, 0, 8)}
	rest := 1.0
	for level, key := range q.keys {
		g := m.history.Group(key)
		if g == nil {
			continue
		}
		runs, all := g.At(q.at), level == features.NumLevels-1
		for w := range numWays {
			c := component{level: level, way: w, from: len(p.points)}
			evidence := p.enter(t, &c, key, runs, q.ask)
			if c.exact == 0 || evidence < faint && !(all && w == window) {
				p.points = p.points[:c.from]
				continue
			}
			c.to, c.size, c.share = len(p.points), size(evidence), rest
			if !all || w != window {
				c.share *= t.backoff.share(level, w, c.size)
			}
			rest -= c.share
			p.scale(c.from, c.to, c.share/evidence)
			p.components = append(p.components, c)
		}
		if rest < negligible && !q.deep {
			break
		}
	}
	p.scale(0, len(p.points), 1/(1-rest))
	for i := range p.components {
		p.components[i].share /= 1 - rest
	}
	return p
}

// enter appends the points of a component and returns their weight, in runs' worth of evidence.
func (p *pool) enter(t *target, c *component, key features.Key, runs []*features.Run, ask *features.Ask) float64 {
	switch c.way {
	case relative:
		return p.enterRelative(t, c, runs, ask)
	case recent:
		return p.enterHistory(t, c, key, runs, ask, ageingRecent, fewRuns)
	}
	return p.enterHistory(t, c, key, runs, ask, ageing, len(runs))
}

// enterHistory takes the newest runs, at most so many exact ones; none for the way
// recent where the window has no more.
func (p *pool) enterHistory(t *target, c *component, key features.Key, runs []*features.Run, ask *features.Ask, ageing float64, most int) (evidence float64) {
	if c.way == recent && len(runs) <= most {
		return 0
	}
	fit := t.linear.winner(key)
	c.linear = fit != nil
	age := 1.0
	for _, r := range slices.Backward(runs) {
		o := t.of(r)
		if !o.known {
			continue
		}
		weight := age
		if fit != nil {
			shift := fit.shift(&r.Ask, ask)
			o.log += shift
			weight *= math.Exp(-math.Abs(shift))
		} else {
			weight *= t.similarity(&r.Ask, ask)
		}
		p.points = append(p.points, point{o.log, weight, o.censored})
		evidence += weight
		age *= ageing
		if !o.censored {
			if c.exact++; c.exact == most {
				break
			}
		}
	}
	return evidence
}

// enterRelative takes the runs for which the user had given a word, as a factor of it.
func (p *pool) enterRelative(t *target, c *component, runs []*features.Run, ask *features.Ask) (evidence float64) {
	word, ok := t.word(ask)
	if !ok || t.fixesWord(features.Levels[c.level]) {
		return 0
	}
	age := 1.0
	for _, r := range slices.Backward(runs) {
		o := t.of(r)
		said, ok := t.word(&r.Ask)
		if !o.known || !ok {
			continue
		}
		p.points = append(p.points, point{o.log - said + word, age, o.censored})
		evidence += age
		age *= ageing
		if !o.censored {
			c.exact++
		}
	}
	return evidence
}

func (p *pool) scale(from, to int, factor float64) {
	for i := from; i < to; i++ {
		p.points[i].weight *= factor
	}
}

// distribution gives up the pool for the distribution of its points.
func (p *pool) distribution() distribution {
	var d distribution
	var share [features.NumLevels]float64
	for _, c := range p.components {
		if share[c.level] += c.share; d.exact == 0 || share[c.level] > share[d.level] {
			d.level, d.exact = c.level, c.exact
		}
	}
	for _, c := range p.components {
		if c.level == d.level && c.exact >= d.exact {
			d.exact, d.linear = c.exact, c.linear
		}
	}
	d.points = productLimit(p.points)
	return d
}
