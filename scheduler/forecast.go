package scheduler

import (
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// window is how many waiting jobs behind the head a forecast tries to backfill.
const window = 256

// freshness is for how long a forecast serves, for each look that it took: it is made
// anew in some hundredth of the time, after 4 s at the most by DefaultPolicy.
const freshness = time.Microsecond

// A Forecast is what a plan foretold of the jobs that wait, for the plans that follow: it
// serves them while it is fresh, which it is the longer the more work it was. A job that
// has come since has no forecast until there is another. It does not change.
type Forecast struct {
	made  time.Time
	fresh time.Duration
	times map[string][4]time.Time // by Pending.ID
}

// forecast fills in when each job starts and ends, and returns what it says for later plans.
func (pl *planner) forecast() *Forecast {
	for _, j := range pl.started {
		d := &pl.decisions[j.index]
		d.StartP50, d.StartP90 = pl.Now, pl.Now
		if j.known() {
			d.EndP50, d.EndP90 = pl.Now.Add(j.Runtime.P50), pl.Now.Add(j.Runtime.P90)
		}
	}
	if pl.policy.ForecastEffort == 0 || len(pl.waiting) == 0 {
		return nil
	}
	if f := pl.Forecast; f != nil && !pl.Now.Before(f.made) && pl.Now.Sub(f.made) < f.fresh {
		pl.recall(f)
		return f
	}
	effort := pl.foretell()
	f := &Forecast{pl.Now, time.Duration(effort) * freshness, make(map[string][4]time.Time, len(pl.waiting))}
	for _, j := range pl.waiting {
		var times [4]time.Time
		for i, t := range pl.decisions[j.index].times() {
			times[i] = *t
		}
		f.times[j.ID] = times
	}
	return f
}

// recall fills in what an earlier plan foretold. What should have come by now comes now.
func (pl *planner) recall(f *Forecast) {
	for _, j := range pl.waiting {
		first := pl.Now.Add(max(j.early, 0))
		was := f.times[j.ID]
		for i, t := range pl.decisions[j.index].times() {
			if *t = was[i]; !t.IsZero() && t.Before(first) {
				*t = first
			}
		}
	}
}

// foretell fills in when the waiting jobs start and end, and returns what it took. The
// schedule is played forward twice: once with median runtimes, once with p90 runtimes.
func (pl *planner) foretell() (spent int) {
	pl.waiting = pl.inTurns(pl.waiting)
	effort := pl.policy.ForecastEffort / 2
	p50, spent50 := pl.play(always(0.5), effort)
	p90, spent90 := pl.play(always(0.9), effort)
	for i, j := range pl.waiting {
		s50, s90 := p50[i], max(p50[i], p90[i])
		if r := pl.reservations[j]; r == nil {
			wait := float64(max(s90-max(j.early, 0), 0))
			s90 = later(s90, time.Duration(min(wait*pl.policy.Overtaking, float64(eventually/2))))
		}
		d := &pl.decisions[j.index]
		if s50 == eventually {
			continue
		}
		d.StartP50 = pl.Now.Add(s50)
		if s90 < eventually {
			d.StartP90 = pl.Now.Add(s90)
		}
		if !j.known() {
			continue
		}
		d.EndP50 = d.StartP50.Add(j.Runtime.P50)
		if s90 < eventually {
			// The start and the runtime err independently: their spreads add as squares.
			spread := math.Hypot(float64(s90-s50), float64(j.Runtime.P90-j.Runtime.P50))
			d.EndP90 = d.EndP50.Add(time.Duration(spread))
		}
	}
	return spent50 + spent90
}

// A play is the future as it would be if every job ran for a given quantile of its
// runtime and nothing else came: EASY in planned order, with one
// reservation at a time, by the same rules as the plan itself.
type play struct {
	*board
	queue  []*job
	asks   []uint64        // the request of each job of queue, coarsely
	due    []int           // places in queue of jobs that have a fixed reservation
	starts []time.Duration // by place in queue; eventually if not foreseen
	begun  []bool
	open   []int   // the places in queue of jobs that are not begun, and of some that are
	idle   []int64 // free room of all nodes together, to tell at once that a gang cannot fit
	most   []int64 // the most of each resource that is free on the nodes just touched
	effort int     // looks at a node that are left
}

// levels tell at which quantile of its runtime a job ends, by its name.
type levels func(owner *string) float64

func always(level float64) levels { return func(*string) float64 { return level } }

// play returns when each waiting job starts, in the order of pl.waiting, and how much of
// the effort it took to tell, which is bounded.
func (pl *planner) play(level levels, effort int) (starts []time.Duration, spent int) {
	f := &play{
		board:  newBoardOf(pl.board.site, pl.lasting),
		queue:  make([]*job, len(pl.waiting)),
		asks:   make([]uint64, len(pl.waiting)),
		starts: make([]time.Duration, len(pl.waiting)),
		begun:  make([]bool, len(pl.waiting)),
		open:   make([]int, len(pl.waiting)),
		idle:   make([]int64, pl.board.dims),
		most:   make([]int64, pl.board.dims),
		effort: effort,
	}
	for _, o := range pl.occupants {
		f.start(o.nodes, o.request, max(atLevel(o.rest, level(o.owner)), 1), o.owner)
	}
	for i, v := range f.free {
		f.idle[i%f.dims] += v
	}
	slab := make([]job, len(pl.waiting))
	for i, j := range pl.waiting {
		slab[i] = *j
		f.queue[i], f.open[i], f.asks[i] = &slab[i], i, f.coarse(j.request)
		slab[i].p90 = max(atLevel(j.Runtime, level(&j.name)), 1)
		f.starts[i] = eventually
		if nodes := f.class(j.Class); j.early > 0 && len(nodes) > 0 {
			f.changes.push(change{at: j.early, node: nodes[0], request: slab[i].request}) // wakes it
		}
		if r := pl.reservations[j]; r != nil && r.fixed {
			slab[i].own = &reservation{job: &slab[i], name: r.name, start: r.start, end: later(r.start, slab[i].p90), nodes: r.nodes}
			f.due = append(f.due, i)
			f.keep(slab[i].own)
		}
	}
	f.run()
	return f.starts, effort - f.effort
}

// atLevel is the quantile at level; eventually if nothing is known.
func atLevel(q predictor.Quantiles[time.Duration], level float64) time.Duration {
	if q.IsZero() {
		return eventually
	}
	return q.At(level)
}

func (f *play) run() {
	for f.effort > 0 {
		for len(f.open) > 0 && f.begun[f.open[0]] {
			f.open = f.open[1:]
		}
		if len(f.open) == 0 {
			return
		}
		head := slices.IndexFunc(f.open, func(i int) bool { // may start, and has no reservation yet
			return !f.begun[i] && f.queue[i].early <= f.now && f.queue[i].own == nil
		})
		switch {
		case head < 0:
			if !f.step() {
				return
			}
		case !f.tryAnywhere(f.open[head]):
			f.wait(f.open[head])
		}
	}
	f.pour()
}

// wait reserves room for job i and moves on to its start, backfilling. A job that never
// gets room is left out.
func (f *play) wait(i int) {
	j := f.queue[i]
	f.effort -= len(f.changes)
	if j.pods > 1 {
		f.effort -= len(f.class(j.Class))
	}
	r := f.earliest(j)
	f.begun[i] = true
	if r == nil || r.start == eventually {
		return
	}
	f.starts[i] = r.start
	f.keep(r)
	for f.now < r.start {
		f.step()
	}
	f.fulfil(r)
}

// fulfil takes the promises of a reservation off the board once its job runs.
func (f *play) fulfil(r *reservation) {
	each(r.nodes, func(n, _ int32) {
		f.promises[n] = slices.DeleteFunc(f.promises[n], func(p promise) bool { return p.owner == r })
	})
}

// step moves on to the next time at which room changes and starts what then fits
// on the nodes concerned, in order. It reports whether there was such a time.
func (f *play) step() bool {
	if len(f.changes) == 0 || f.changes[0].at == eventually {
		return false
	}
	f.advance(f.changes[0].at)
	touched := f.past
	f.past = f.past[len(f.past):]
	for _, c := range touched {
		add(f.idle, c.request, c.pods)
	}
	for _, i := range f.due {
		if r := f.queue[i].own; !f.begun[i] && r.start <= f.now {
			f.begun[i], f.starts[i] = true, r.start
			f.fulfil(r)
		}
	}
	clear(f.most)
	for _, c := range touched {
		for r, v := range f.of(f.free, c.node) {
			f.most[r] = max(f.most[r], v)
		}
	}
	most := f.coarse(f.most)
	begun := 0
	for k, i := range f.open {
		if f.begun[i] {
			begun++
			continue
		}
		if k-begun == window {
			break
		}
		if !covers(most, f.asks[i]) {
			continue // no pod finds more room than before
		}
		switch j := f.queue[i]; {
		case j.early > f.now:
		case j.pods == 1:
			f.tryOn(i, touched)
		case lacking(f.most, j.request) < 0 && fit(f.idle, j.request, j.pods) == j.pods:
			f.tryAnywhere(i)
		}
	}
	if begun > window {
		f.open = slices.DeleteFunc(f.open, func(i int) bool { return f.begun[i] })
	}
	f.effort -= window
	f.past = touched[:0]
	return true
}

// tryOn starts job i, of one pod, on the first of the touched nodes that has room.
func (f *play) tryOn(i int, touched []change) {
	j := f.queue[i]
	for _, c := range touched {
		if lacking(f.of(f.free, c.node), j.request) >= 0 || !f.allows(j.Class, c.node) {
			continue
		}
		if fits, _ := f.unpromised(c.node, j, later(f.now, j.p90), 1); fits == 1 {
			f.begin(i, []int{int(c.node)})
			return
		}
	}
}

// tryAnywhere starts job i if it fits.
func (f *play) tryAnywhere(i int) bool {
	j := f.queue[i]
	f.effort -= len(f.class(j.Class))
	nodes, _ := f.place(j, later(f.now, j.p90))
	if nodes != nil {
		f.begin(i, nodes)
	}
	return nodes != nil
}

func (f *play) begin(i int, nodes []int) {
	j := f.queue[i]
	if j.own != nil {
		f.drop(j.own)
	}
	f.begun[i] = true
	f.starts[i] = f.now
	f.start(nodes, j.request, later(f.now, j.p90), &j.name)
	add(f.idle, j.request, -int32(len(nodes)))
}

// pour foretells the jobs which the effort did not reach, as if the cluster were
// one machine that works on them in order: each takes its dominant share of the
// cluster times its runtime.
func (f *play) pour() {
	t := f.now
	for i, j := range f.queue {
		if f.begun[i] {
			continue
		}
		f.starts[i] = max(t, j.early)
		if j.own != nil {
			f.starts[i] = j.own.start
			continue
		}
		if j.p90 < eventually {
			t = later(t, time.Duration(float64(j.p90)*min(j.share, 1)))
		}
	}
}
