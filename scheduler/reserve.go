package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// A reservation is room kept for a job that cannot start now.
type reservation struct {
	*job
	name       string
	start, end time.Duration
	nodes      []int   // one for each pod, those of a node together
	cause      *string // the job whose end makes the room, if any
	fixed      bool    // for a deadline, or kept from the plan before
}

// earliest finds the first time after now at which all pods of j fit until their
// p90 end: EASY's shadow time, with several resources on particular nodes. It is
// nil if they never do, as far as can be foreseen.
//
// The board is at the time of the plan and place has just refused j there, so
// only nodes whose room changes need another look.
func (b *board) earliest(j *job) *reservation {
	nowhere := b.now
	defer b.rewind(nowhere)

	total := 0
	if j.pods > 1 {
		for _, n := range b.class(j.Class) {
			b.counts[n] = fit(b.of(b.free, n), j.request, j.pods)
			total += b.counts[n]
		}
	}
	for len(b.changes) > 0 {
		seen := len(b.past)
		b.advance(b.changes[0].at)
		worth := false
		for _, c := range b.past[seen:] {
			if !b.allows(j.Class, c.node) {
				continue
			}
			fits := fit(b.of(b.free, c.node), j.request, j.pods)
			worth = worth || fits > 0
			if j.pods > 1 {
				total += fits - b.counts[c.node]
				b.counts[c.node] = fits
			}
		}
		if !worth || j.pods > 1 && total < j.pods {
			continue
		}
		end := later(b.now, j.p90)
		if nodes, _ := b.place(j, end); nodes != nil {
			return &reservation{job: j, start: b.now, end: end, nodes: nodes, cause: leaver(b.past[seen:])}
		}
	}
	return nil
}

// soonest finds the first time at which all pods of j fit until their p90 end, which may
// be now.
func (b *board) soonest(j *job) *reservation {
	end := later(b.now, j.p90)
	if nodes, _ := b.place(j, end); nodes != nil {
		return &reservation{job: j, start: b.now, end: end, nodes: nodes}
	}
	return b.earliest(j)
}

// latest finds the last start of j that is not after by; nil if there is none. j's
// runtime is known. Room grows but at the starts of reservations, so only by itself
// and the starts that end just when a reservation starts need a look.
func (b *board) latest(j *job, by time.Duration) *reservation {
	starts := []time.Duration{by}
	for _, promises := range b.promises {
		for _, p := range promises {
			if t := p.at - j.p90; t < starts[0] {
				starts = append(starts, t)
			}
		}
	}
	slices.SortFunc(starts, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	for _, t := range slices.Compact(starts) {
		if t < max(j.early, b.now) {
			return nil
		}
		if nodes, _ := b.at(t).place(j, later(t, j.p90)); nodes != nil {
			return &reservation{job: j, start: t, end: later(t, j.p90), nodes: nodes}
		}
	}
	return nil
}

// keep puts a reservation on the board.
func (b *board) keep(r *reservation) {
	each(r.nodes, func(n, pods int32) {
		extra := slices.Clone(b.of(b.free, n))
		add(extra, r.request, -pods)
		b.promises[n] = append(b.promises[n], promise{r.start, r, extra})
	})
	for _, c := range b.changes {
		if c.at > r.start {
			continue
		}
		if promises := b.promises[c.node]; len(promises) > 0 && promises[len(promises)-1].owner == r {
			add(promises[len(promises)-1].extra, c.request, c.pods)
		}
	}
	each(r.nodes, func(n, pods int32) {
		b.cover(r, n, -pods)
		b.changes.push(change{r.start, n, -pods, r.request, &r.name})
		b.changes.push(change{r.end, n, pods, r.request, &r.name})
	})
}

// drop takes a reservation off the board.
func (b *board) drop(r *reservation) {
	for i := range b.changes {
		if b.changes[i].owner == &r.name {
			b.changes[i].pods = 0
		}
	}
	each(r.nodes, func(n, pods int32) {
		b.promises[n] = slices.DeleteFunc(b.promises[n], func(p promise) bool { return p.owner == r })
		b.cover(r, n, pods)
	})
}

// cover changes what other reservations leave on node n while r is there.
func (b *board) cover(r *reservation, n, pods int32) {
	for _, p := range b.promises[n] {
		if p.owner != r && r.start <= p.at && outlasts(r.end, p.at) {
			add(p.extra, r.request, pods)
		}
	}
}

// leaver returns the owner of the last of changes that makes room.
func leaver(changes []change) *string {
	for _, c := range slices.Backward(changes) {
		if c.pods > 0 {
			return c.owner
		}
	}
	return nil
}

// maxDue bounds how many jobs of a tier are looked at for their deadlines.
const maxDue = 64

// meetDeadlines reserves room for the jobs of one tier that can still meet their
// deadline, the earliest first: the latest that meets it for sure (p90), or else the
// earliest there is, if it meets it more likely than not (p50).
func (pl *planner) meetDeadlines(tier []*job) {
	var due []*job
	for _, j := range tier {
		if j.known() && !j.Deadline.Before(pl.Now.Add(j.Runtime.P50)) {
			due = append(due, j)
		}
	}
	slices.SortStableFunc(due, func(a, b *job) int { return a.Deadline.Compare(b.Deadline) })
	for _, j := range due[:min(len(due), maxDue)] {
		if len(pl.reservations)-pl.reserved >= pl.policy.DeadlineReservations {
			return
		}
		if pl.reservations[j] != nil {
			continue
		}
		slack := j.Deadline.Sub(pl.Now)
		r := pl.board.latest(j, slack-j.p90)
		if r == nil && j.early <= 0 {
			r = pl.board.soonest(j)
		}
		if r != nil && r.start <= slack-j.Runtime.P50 {
			r.fixed = true
			pl.reserve(j, r)
		}
	}
}

// keepReservations puts the near ones of one tier on the board as they were made. What
// they rest on may be expected to overrun, or have overrun: they stand all the same.
func (pl *planner) keepReservations(tier []*job) {
	for _, j := range tier {
		if j.firm == eventually {
			continue
		}
		r := &reservation{job: j, start: j.firm, end: later(j.firm, j.p90), nodes: j.ReservedNodes}
		if r.nodes == nil {
			r = pl.board.latest(j, j.firm)
		}
		if r != nil {
			r.fixed = true
			pl.reserve(j, r)
		}
	}
}

func (pl *planner) reserve(j *job, r *reservation) {
	r.name = j.name
	pl.reservations[j] = r
	pl.board.keep(r)
}
