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
	// cuts is set if the widest waiting job finds room for fewer pods on the node
	// once the pod is there.
	cuts bool
	// left is the room that is free, in parts of the largest node, summed over the
	// resources; negated for large pods, which go to the roomiest node.
	left float64
}

// better compares two slots; the best is first.
func better(a, b slot) int {
	switch {
	case a.offers != b.offers:
		return cmp.Compare(a.offers, b.offers)
	case a.cuts != b.cuts:
		return truthFirst(b.cuts)
	case a.left != b.left:
		return cmp.Compare(a.left, b.left)
	}
	return cmp.Compare(a.node, b.node)
}

// A shortage is why a job does not fit.
type shortage struct {
	fits     int          // pods that have room, reserved or not
	resource int          // what most nodes lack for one more pod; -1 if there is no node
	promised *reservation // set if there is room, but this reservation needs it
}

// place finds room for all pods of j from the board's time until end without
// touching what is reserved, and returns a node for each pod; nil if it does not fit.
func (b *board) place(j *job, end time.Duration) ([]int, shortage) {
	b.slots = b.slots[:0]
	clear(b.blame)
	var short shortage
	fits, asked, sign := 0, present(j.request), 1.0
	if j.large {
		sign = -1
	}
	for _, n := range b.class(j.Class) {
		offers, left := bits.OnesCount64(b.offered[n]&^asked), sign*b.spare[n]
		if j.pods == 1 && len(b.slots) == 1 {
			if best := &b.slots[0]; offers >= best.offers && left >= best.left && !best.cuts {
				continue // no better, whether it fits or not
			}
		}
		room := b.of(b.free, n)
		if r := lacking(room, j.request); r >= 0 {
			b.blame[r]++
			continue
		}
		s := slot{node: n, pods: 1, offers: offers, left: left}
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
		fits += s.pods
		s.cuts = !j.large && b.cuts(n, j)
		if j.pods > 1 || len(b.slots) == 0 {
			b.slots = append(b.slots, s)
		} else if better(s, b.slots[0]) < 0 {
			b.slots[0] = s
		}
	}
	if fits < j.pods {
		short.resource = b.scarcest(j)
		if short.fits < j.pods {
			short.promised = nil // it would not fit anyway
		}
		return nil, short
	}
	if j.pods > 1 {
		slices.SortFunc(b.slots, better)
	}
	nodes := make([]int, 0, j.pods)
	for _, s := range b.slots {
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

// cuts reports whether the widest waiting job finds room for fewer pods on node n
// once one of j is there.
func (b *board) cuts(n int32, j *job) bool {
	w, room := b.wide, b.of(b.free, n)
	if w == nil || lacking(room, w.request) >= 0 || !b.allows(w.Class, n) {
		return false
	}
	pods := int64(1)
	for holds(room, nil, w.request, pods+1) {
		pods++
	}
	return !holds(room, j.request, w.request, pods)
}

// holds reports whether pods of a request fit into room beside one pod of first.
func holds(room, first, request []int64, pods int64) bool {
	for r, q := range request {
		left := room[r]
		if first != nil {
			left -= first[r]
		}
		if q > 0 && left < q*pods {
			return false
		}
	}
	return true
}

// scarcest names the resource that most nodes lacked in the last place of j.
func (b *board) scarcest(j *job) int {
	if len(b.class(j.Class)) == 0 || b.dims == 0 {
		return -1
	}
	worst := 0
	for r := range b.blame {
		if b.blame[r] > b.blame[worst] {
			worst = r
		}
	}
	if b.blame[worst] == 0 { // every node has room for a pod: name what the job takes most of
		for r, q := range j.request {
			if float64(q)*b.unit[r] > float64(j.request[worst])*b.unit[worst] {
				worst = r
			}
		}
	}
	return worst
}
