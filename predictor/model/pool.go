package model

import (
	"math"
	"slices"
	"sync"
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

// A question is what a model is asked: what the runs of a job's groups say of it.
type question struct {
	at   time.Time // of submission; zero if not known
	keys *features.Keys
	ask  *features.Ask
	runs features.View
	deep bool // coarse groups matter however little weight is left for them
}

// finest returns the finest level at which the job's group remembers the same runs as
// at this one.
func (q *question) finest(level int) int {
	finest, runs := level, q.runs[level]
	for l := level - 1; l >= 0; l-- {
		// The runs of a finer group are among those of a coarser one: if as many, the same.
		if len(q.runs[l]) == len(runs) && q.runs[l][0] == runs[0] {
			finest = l
		}
	}
	return finest
}

// A pool is the runs that an estimate rests on, each group's with its share of the
// weight. A run that several groups remember is one value of the pool.
type pool struct {
	target     *target
	values     []value
	uses       []use
	components []component
	sorter     sorter           // has the points of the distribution
	places     [maxValues]int16 // of runs in values, from 1, by hash
}

// maxValues is more than a pool has values: of each level's window each run by itself, and
// as a factor of the user's word. It is a power of two.
const maxValues = 1 << 11

// A value is what one run says of the job.
type value struct {
	point
	similarity float64       // of what the run asked for and what the job does
	run        *features.Run // nil if a regression shifted it, for one group alone
	relative   bool          // as a factor of the user's word
}

// A use is a value's part in a component.
type use struct {
	value  int32
	weight float64 // in runs' worth of evidence
}

// A component is one group's runs, entered in one way: uses[from:to].
type component struct {
	level, size int
	way         way
	from, to    int
	evidence    float64 // sum of the weights
	share       float64 // of the pool that it makes up
	exact       int     // runs that are not censored
	linear      bool    // shifted by the group's regression
}

var pools = sync.Pool{New: func() any { return new(pool) }}

// pool collects what the groups of a job know; it has no values if they know nothing.
// The caller releases it when done with it and with what it gave out.
func (m *Model) pool(t *target, q *question) *pool {
	p := pools.Get().(*pool)
	p.target, p.values, p.uses, p.components = t, p.values[:0], p.uses[:0], p.components[:0]
	if !m.history.Knows(t.Target) {
		return p
	}
	clear(p.places[:])
	rest := 1.0
	for level, runs := range q.runs {
		if len(runs) == 0 {
			continue
		}
		all := level == features.NumLevels-1
		for w := range numWays {
			c := component{level: level, way: w, from: len(p.uses)}
			p.enter(&c, q, runs)
			if c.exact == 0 || c.evidence < faint && !(all && w == window) {
				p.uses = p.uses[:c.from]
				continue
			}
			c.to, c.size, c.share = len(p.uses), size(c.evidence), rest
			if !all || w != window {
				c.share *= t.backoff.share(level, w, c.size)
			}
			rest -= c.share
			p.components = append(p.components, c)
		}
		if rest < negligible && !q.deep {
			break
		}
	}
	for i := range p.components {
		c := &p.components[i]
		c.share /= 1 - rest
		for _, u := range p.uses[c.from:c.to] {
			p.values[u.value].weight += u.weight * c.share / c.evidence
		}
	}
	return p
}

func (p *pool) release() { pools.Put(p) }

// empty reports whether the groups know nothing.
func (p *pool) empty() bool { return len(p.components) == 0 }

// enter appends what a component uses.
func (p *pool) enter(c *component, q *question, runs []*features.Run) {
	switch c.way {
	case relative:
		p.enterRelative(c, runs, q.ask)
	case recent:
		if len(runs) > fewRuns {
			p.enterHistory(c, q, runs, ageingRecent, fewRuns)
		}
	case window:
		p.enterHistory(c, q, runs, ageing, len(runs))
	}
}

// enterHistory takes the newest runs, at most so many exact ones.
func (p *pool) enterHistory(c *component, q *question, runs []*features.Run, ageing float64, most int) {
	fit := p.target.linear.winner(q.keys[q.finest(c.level)])
	c.linear = fit != nil
	to := 0.0
	if fit != nil {
		to = fit.at(q.ask.Inputs)
	}
	age := 1.0
	for _, r := range slices.Backward(runs) {
		came := p.target.of(r)
		if !came.Known {
			continue
		}
		var v int32
		if fit != nil {
			shift := fit.shift(r.Inputs, to)
			v = p.add(came, shift, math.Exp(-math.Abs(shift)), nil, false)
		} else if place, ok := p.place(r, false); ok {
			v = int32(*place - 1)
		} else {
			v = p.add(came, 0, p.target.similarity(r, q.ask), r, false)
			*place = int16(v + 1)
		}
		p.use(c, v, age)
		age *= ageing
		if c.exact == most {
			break
		}
	}
}

// enterRelative takes the runs for which the user had given a word, as a factor of it.
func (p *pool) enterRelative(c *component, runs []*features.Run, ask *features.Ask) {
	word := ask.Words[p.target.Target]
	if math.IsNaN(word) || p.target.fixesWord(features.Levels[c.level]) {
		return
	}
	age := 1.0
	for _, r := range slices.Backward(runs) {
		came := p.target.of(r)
		if !came.Known || math.IsNaN(came.Word) {
			continue
		}
		place, known := p.place(r, true)
		if !known {
			*place = int16(p.add(came, word-came.Word, 1, r, true) + 1)
		}
		p.use(c, int32(*place-1), age)
		age *= ageing
	}
}

// use adds a value to a component.
func (p *pool) use(c *component, v int32, age float64) {
	weight := age * p.values[v].similarity
	p.uses = append(p.uses, use{v, weight})
	c.evidence += weight
	if !p.values[v].censored {
		c.exact++
	}
}

func (p *pool) add(came *features.Value, shift, similarity float64, r *features.Run, relative bool) int32 {
	p.values = append(p.values, value{point{log: came.Log + shift, censored: came.Censored}, similarity, r, relative})
	return int32(len(p.values) - 1)
}

// place returns where a run's place in values is kept, and whether it has one.
func (p *pool) place(r *features.Run, relative bool) (*int16, bool) {
	h := r.Sequence << 1
	if relative {
		h++
	}
	for ; ; h++ {
		place := &p.places[h%uint64(len(p.places))]
		if *place == 0 {
			return place, false
		}
		if v := &p.values[*place-1]; v.run == r && v.relative == relative {
			return place, true
		}
	}
}

// distribution returns the distribution of the pool's values, which shares its memory.
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
	d.points = productLimit(p.sorter.sort(p.values))
	return d
}
