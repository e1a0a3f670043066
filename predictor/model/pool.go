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
	keys features.Keys
	ask  features.Ask
	runs features.View
	deep bool // coarse groups matter however little weight is left for them

	declared [features.NumLevels][]float64 // how far apart runs and job are by the inputs declared; empty until looked at
}

var questions = sync.Pool{New: func() any { return new(question) }}

// newQuestion returns a question that the caller releases when it has been answered.
func newQuestion(at time.Time, keys *features.Keys, ask features.Ask, runs features.View) *question {
	q := questions.Get().(*question)
	q.at, q.keys, q.ask, q.runs, q.deep = at, *keys, ask, runs, false
	for level := range q.declared {
		q.declared[level] = q.declared[level][:0]
	}
	return q
}

// own returns the group of the job's own runs.
func (q *question) own() features.Key { return q.keys[q.keys.Own()[0]] }

func (q *question) release() { questions.Put(q) }

// apart returns how far each of a level's runs is from the job by the inputs that both
// declare; nil if the job declares none. As with known, a loop that does little else has the
// inputs fetched at once.
func (q *question) apart(level int) []float64 {
	if len(q.ask.Inputs) == 0 || q.ask.Inputs[0].Kind != features.Declared { // those come first
		return nil
	}
	far := q.declared[level]
	if len(far) == 0 {
		for _, r := range q.runs[level] {
			far = append(far, apart(r.Inputs, q.ask.Inputs))
		}
		q.declared[level] = far
	}
	return far
}

// same returns the nearest finer level at which the job's group remembers the same runs as
// at this one; -1 if there is none.
func (q *question) same(level int) int {
	runs := q.runs[level]
	if level == features.LevelNearest {
		return -1
	}
	for l := level - 1; l >= 0; l-- {
		// The runs of a finer group are among those of a coarser one: if as many, the same.
		// Those of other names are among none of them.
		if l != features.LevelNearest && len(q.runs[l]) == len(runs) && q.runs[l][0] == runs[0] {
			return l
		}
	}
	return -1
}

// A pool is the runs that an estimate rests on, each group's with its share of the
// weight. A run that several groups remember is one value of the pool.
type pool struct {
	target     *target
	values     []value
	uses       []use
	batches    []batch // the first is empty
	components []component
	known      []int            // places of the runs of a group that tell of the target, newest first
	far        []float64        // how far each of them is from the job
	sorter     sorter           // has the points of the distribution
	steps      []step           // of the distribution
	places     [maxValues]int16 // of runs in values, from 1, by hash
	latest     []value          // of a mixture
}

// maxValues is more than a pool has values by which runs are found: of each level's window
// each run by itself, and as a factor of the user's word. It is a power of two.
const maxValues = 1 << 12

// A value is what one run says of the job.
type value struct {
	point
	similarity float64 // of what the run asked for and what the job does
	key        uint64  // of the run, and of the way it enters; zero if a regression shifted it, for one group alone
}

// A use is a value's part in a batch.
type use struct {
	value  int32
	weight float64 // in runs' worth of evidence
}

// A batch is a group's runs, entered in one way: uses[from:to]. Groups that remember the
// same runs share it.
type batch struct {
	from, to int
	evidence float64 // sum of the weights
	exact    int     // runs that are not censored
	linear   bool    // shifted by the group's regression
	share    float64 // of the pool that it makes up
}

// A component is a batch in its place in the hierarchy.
type component struct {
	level, size int
	way         way
	batch       int     // place in batches
	share       float64 // of the pool that it makes up
}

var pools = sync.Pool{New: func() any { return new(pool) }}

// pool collects what the groups of a job know; it has no values if they know nothing.
// The caller releases it when done with it and with what it gave out.
func (m *Model) pool(t *target, q *question) *pool {
	p := pools.Get().(*pool)
	p.target, p.values, p.uses, p.components = t, p.values[:0], p.uses[:0], p.components[:0]
	p.batches = append(p.batches[:0], batch{})
	if !m.history.Knows(t.Target) {
		return p
	}
	clear(p.places[:])
	word := !math.IsNaN(q.ask.Words[t.Target])
	rest := 1.0
	var entered [features.NumLevels][numWays]int // places in batches
	for level, runs := range q.runs {
		if len(runs) == 0 {
			continue
		}
		in := &entered[level]
		if same := q.same(level); same >= 0 {
			*in = entered[same]
		} else {
			in[window] = p.enterHistory(q, level, t.winner(&q.keys, level))
			in[recent] = p.enterRecent(in[window], len(runs))
		}
		relates := word && !t.fixesWord(features.Levels[level])
		if relates && in[relative] == 0 {
			in[relative] = p.enterRelative(runs, &q.ask)
		}
		all := level == features.NumLevels-1
		for w, place := range in {
			w, b := way(w), &p.batches[place]
			if b.exact == 0 || w == relative && !relates || b.evidence < faint && !(all && w == window) {
				continue
			}
			c := component{level: level, way: w, size: size(b.evidence), batch: place, share: rest}
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
	p.weigh(1 - rest)
	return p
}

// weigh distributes the weight over the values; the shares make up total so far.
func (p *pool) weigh(total float64) {
	for i := range p.components {
		c := &p.components[i]
		c.share /= total
		p.batches[c.batch].share += c.share
	}
	for _, b := range p.batches[1:] {
		if b.share == 0 {
			continue
		}
		each := b.share / b.evidence
		for _, u := range p.uses[b.from:b.to] {
			p.values[u.value].weight += u.weight * each
		}
	}
}

func (p *pool) release() { pools.Put(p) }

// empty reports whether the groups know nothing.
func (p *pool) empty() bool { return len(p.components) == 0 }

// enterHistory takes a group's runs, shifted by its regression unless that is nil.
func (p *pool) enterHistory(q *question, level int, fit *fit) int {
	runs := q.runs[level]
	b := batch{from: len(p.uses), linear: fit != nil}
	p.known = p.target.known(p.known[:0], runs)
	if fit != nil {
		p.far = fit.shifts(p.far[:0], q, level, p.known)
	} else {
		p.far = p.target.distances(p.far[:0], q, level, p.known)
	}
	age := 1.0
	for i, at := range p.known {
		r, far := runs[at], p.far[i]
		came := p.target.of(r)
		var v int32
		if fit != nil {
			v = p.add(came, far, math.Exp(-math.Abs(far)), 0)
		} else if place := p.place(keyOf(r, false)); *place != 0 {
			v = int32(*place - 1)
		} else {
			v = p.add(came, 0, similarity(far), keyOf(r, false))
			*place = int16(v + 1)
		}
		p.use(&b, v, age*p.values[v].similarity)
		age *= ageing
	}
	return p.enter(&b)
}

// enterRecent takes the newest of the runs of a whole window, which are its first, up to so
// many exact ones. There is nothing recent in a group of no more than that.
func (p *pool) enterRecent(window, runs int) int {
	if runs <= fewRuns {
		return 0
	}
	whole := p.batches[window]
	b := batch{from: len(p.uses), linear: whole.linear}
	age := 1.0
	for i := whole.from; i < whole.to && b.exact < fewRuns; i++ {
		u := p.uses[i]
		p.use(&b, u.value, u.weight*age)
		age *= ageingRecent / ageing
	}
	return p.enter(&b)
}

// enterRelative takes the runs for which the user had given a word, as a factor of it.
func (p *pool) enterRelative(runs []*features.Run, ask *features.Ask) int {
	b := batch{from: len(p.uses)}
	word := ask.Words[p.target.Target]
	age := 1.0
	for _, r := range slices.Backward(runs) {
		came := p.target.of(r)
		if !came.Known || math.IsNaN(came.Word) {
			continue
		}
		place := p.place(keyOf(r, true))
		if *place == 0 {
			*place = int16(p.add(came, word-came.Word, 1, keyOf(r, true)) + 1)
		}
		p.use(&b, int32(*place-1), age)
		age *= ageing
	}
	return p.enter(&b)
}

// use adds a value to a batch that is being entered.
func (p *pool) use(b *batch, v int32, weight float64) {
	p.uses = append(p.uses, use{v, weight})
	b.evidence += weight
	if !p.values[v].censored {
		b.exact++
	}
}

// enter keeps a batch that is complete, and returns its place.
func (p *pool) enter(b *batch) int {
	b.to = len(p.uses)
	p.batches = append(p.batches, *b)
	return len(p.batches) - 1
}

func (p *pool) add(came *features.Value, shift, similarity float64, key uint64) int32 {
	p.values = append(p.values, value{point{log: came.Log + shift, censored: came.Censored}, similarity, key})
	return int32(len(p.values) - 1)
}

// keyOf returns the key of what a run says, by itself or as a factor of the user's word.
func keyOf(r *features.Run, relative bool) uint64 {
	key := r.Sequence << 1
	if relative {
		key++
	}
	return key
}

// place returns where the place in values of what has a key is kept: zero if it has none yet.
func (p *pool) place(key uint64) *int16 {
	for h := key; ; h++ {
		place := &p.places[h%uint64(len(p.places))]
		if *place == 0 || p.values[*place-1].key == key {
			return place
		}
	}
}

// distribution returns the distribution of the pool's values, which shares its memory.
func (p *pool) distribution() distribution {
	var d distribution
	var share [features.NumLevels]float64
	for _, c := range p.components {
		if share[c.level] += c.share; d.exact == 0 || share[c.level] > share[d.level] {
			d.level, d.exact = c.level, p.batches[c.batch].exact
		}
	}
	for _, c := range p.components {
		if b := &p.batches[c.batch]; c.level == d.level && b.exact >= d.exact {
			d.exact, d.linear = b.exact, b.linear
		}
	}
	d.steps = productLimit(p.sorter.sort(p.values), p.steps[:0])
	p.steps = d.steps
	return d
}
