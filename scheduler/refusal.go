package scheduler

import (
	"slices"
	"time"
)

// A refusal is a job for which there was no room, and why. During the walk room only
// shrinks, but when a reservation is dropped; so there is none for any other of its class
// that asks for as much of everything.
type refusal struct {
	class, pods int
	request     []int64
	p90         time.Duration // 0 if there is no room however short the job
	promised    *reservation  // set if there is room, but this reservation needs it
	resource    int           // else what most nodes lack for one more pod; -1 if there is no node
}

// implies reports whether o asks for as much as what was refused.
func (r *refusal) implies(o refusal) bool {
	return r.class == o.class && r.pods <= o.pods && r.p90 <= o.p90 && lacking(o.request, r.request) < 0
}

// maxRefusals bounds how many refusals are remembered.
const maxRefusals = 256

// place is the board's, but for jobs of which it is known that they do not fit.
func (pl *planner) place(j *job) ([]int, refusal) {
	r := refusal{class: j.Class, pods: j.pods, request: j.request, p90: j.p90}
	for i := range pl.refusals {
		if pl.refusals[i].implies(r) {
			return nil, pl.refusals[i]
		}
	}
	nodes, short := pl.board.place(j, j.p90)
	if nodes != nil {
		return nodes, refusal{}
	}
	r.promised = short.promised
	if r.promised == nil {
		r.pods, r.p90, r.resource = short.fits+1, 0, pl.board.scarcest(j)
	}
	pl.refusals = slices.DeleteFunc(pl.refusals, r.implies)
	if len(pl.refusals) < maxRefusals {
		pl.refusals = append(pl.refusals, r)
	}
	return nil, r
}
