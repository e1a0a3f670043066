package scheduler

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// A slot is a node on which pods of a job fit, and how good a place it is.
type slot struct {
	node int32
	pods int // how many fit
	// offers is how many resources the node has that the pod does not ask for:
	// jobs without GPUs stay off GPU nodes while others do.
	offers int
	// prolongs is for how much longer than what runs there now a pod, if it is not large,
	// will be on the node: what ends together leaves whole nodes.
	prolongs time.Duration
	// left is the room that is free, in parts of the largest node, summed over the
	// resources; negated for large pods, which go to the roomiest node.
	left float64
}

// better compares two slots; the best is first.
func better(a, b slot) int {
	switch {
	case a.offers != b.offers:
		return cmp.Compare(a.offers, b.offers)
	case a.prolongs != b.prolongs:
		return cmp.Compare(a.prolongs, b.prolongs)
	case a.left != b.left:
		return cmp.Compare(a.left, b.left)
	}
	return cmp.Compare(a.node, b.node)
}

// A shortage is why a job does not fit.
type shortage struct {
	fits     int          // pods that have room, reserved or not
	promised *reservation // set if there is room, but this reservation needs it
}

// place finds room for all pods of j from the board's time until end without
// touching what is reserved, and returns a node for each pod; nil if it does not fit.
func (b *board) place(j *job, end time.Duration) ([]int, shortage) {
	var short shortage
	slots, fits := b.slots[:0], 0 // the best slots so far, no more than it takes, and their pods
	asked, rough, sign := present(j.request), b.coarse(j.request), 1.0
	if j.large {
		sign = -1
	}
	for _, n := range b.class(j.Class) {
		if !covers(b.rough[n], rough) {
			continue
		}
		s := slot{node: n, pods: 1, offers: bits.OnesCount64(b.offered[n] &^ asked), left: sign * b.spare[n]}
		if !j.large && !b.packs {
			s.prolongs = max(end-max(b.busy[n], b.now), 0)
		}
		if fits >= j.pods && better(slots[len(slots)-1], s) < 0 {
			continue // no better, whether it fits or not
		}
		room := b.of(b.free, n)
		if lacking(room, j.request) >= 0 {
			continue
		}
		if j.pods > 1 {
			s.pods = fit(room, j.request, j.pods)
		}
		short.fits += s.pods
		if len(b.promises[n]) > 0 {
			var p *reservation
			if s.pods, p = b.unpromised(n, j, end, s.pods); p != nil {
				short.promised = p
			}
			if s.pods == 0 {
				continue
			}
		}
		i, _ := slices.BinarySearchFunc(slots, s, better)
		slots = slices.Insert(slots, i, s)
		fits += s.pods
		for last := len(slots) - 1; fits-slots[last].pods >= j.pods; last-- {
			fits -= slots[last].pods
			slots = slots[:last]
		}
	}
	b.slots = slots
	if fits < j.pods {
		if short.fits < j.pods {
			short.promised = nil // it would not fit anyway
		}
		return nil, short
	}
	nodes := make([]int, 0, j.pods)
	for _, s := range slots {
		for range min(s.pods, j.pods-len(nodes)) {
			nodes = append(nodes, int(s.node))
		}
	}
	return nodes, short
}

// unpromised returns how many of up to pods pods of j may be on node n until end,
// and the reservation that allows no more; nil if none does.
func (b *board) unpromised(n int32, j *job, end time.Duration, pods int) (int, *reservation) {
	var by *reservation
	for _, p := range b.promises[n] {
		if p.at < b.now || !outlasts(end, p.at) || p.owner == j.own {
			continue
		}
		if c := fit(p.extra, j.request, pods); c < pods {
			pods, by = c, p.owner
		}
	}
	return pods, by
}

// scarcest names the resource that most nodes lack for one more pod of j; -1 if there is
// no node.
func (b *board) scarcest(j *job) int {
	if len(b.class(j.Class)) == 0 || b.dims == 0 {
		return -1
	}
	short := make([]int, b.dims) // nodes by the resource that they lack
	for _, n := range b.class(j.Class) {
		if r := lacking(b.of(b.free, n), j.request); r >= 0 {
			short[r]++
		}
	}
	worst := 0
	for r := range short {
		if short[r] > short[worst] {
			worst = r
		}
	}
	if short[worst] == 0 { // every node has room for a pod: name what the job takes most of
		for r, q := range j.request {
			if float64(q)*b.unit[r] > float64(j.request[worst])*b.unit[worst] {
				worst = r
			}
		}
	}
	return worst
}
