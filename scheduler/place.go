package scheduler

import (
	"cmp"
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
	// cuts is how many pods of the widest waiting job fit no more once the pod is there.
	cuts int
	// left is the room that stays free, in parts of the largest node, summed over
	// the resources; negated for large pods, which go to the roomiest node.
	left float64
}

// better compares two slots; the best is first.
func better(a, b slot) int {
	return cmp.Or(
		cmp.Compare(a.offers, b.offers),
		cmp.Compare(a.cuts, b.cuts),
		cmp.Compare(a.left, b.left),
		cmp.Compare(a.node, b.node),
	)
}

// A shortage is why a job does not fit.
type shortage struct {
	fits     int          // pods that would have room
	resource int          // what most nodes lack for one more pod; -1 if there is no node
	promised *reservation // set if there is room, but this reservation needs it
}

// place finds room for all pods of j from the board's time until end without
// touching what is reserved, and returns a node for each pod; nil if it does not fit.
func (b *board) place(j *job, end time.Duration) ([]int, shortage) {
	b.slots = b.slots[:0]
	clear(b.blame)
	var short shortage
	fits := 0
	for _, n := range b.class(j.Class) {
		room := b.of(b.free, n)
		if r := lacking(room, j.request); r >= 0 {
			b.blame[r]++
			continue
		}
		pods := fit(room, j.request, j.pods)
		short.fits += pods
		if len(b.promises[n]) > 0 {
			var p *reservation
			if pods, p = b.unpromised(n, j, end, pods); p != nil {
				short.promised = p
			}
		}
		if pods > 0 {
			fits += pods
			b.slots = append(b.slots, b.slot(n, j, pods))
		}
	}
	if fits < j.pods {
		short.resource = b.scarcest(j)
		if short.fits < j.pods {
			short.promised = nil
		}
		short.fits = fits
		return nil, short
	}
	if j.pods == 1 {
		return []int{int(slices.MinFunc(b.slots, better).node)}, short
	}
	slices.SortFunc(b.slots, better)
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
		if p.at < b.now || !outlasts(end, p.at) {
			continue
		}
		if c := fit(p.extra, j.request, pods); c < pods {
			pods, by = c, p.owner
		}
	}
	return pods, by
}

// slot rates node n for a pod of j.
func (b *board) slot(n int32, j *job, pods int) slot {
	s := slot{node: n, pods: pods}
	room, capacity := b.of(b.free, n), b.of(b.capacity, n)
	for r, q := range j.request {
		if q <= 0 && capacity[r] > 0 {
			s.offers++
		}
		if b.largest[r] > 0 {
			s.left += float64(room[r]-q) / float64(b.largest[r])
		}
	}
	if j.large {
		s.left = -s.left
	} else if b.wide != nil && b.allows(b.wide.Class, n) {
		s.cuts = fit(room, b.wide.request, maxSlots) - fitBeside(room, j.request, b.wide.request, maxSlots)
	}
	return s
}

// maxSlots bounds how many pods are counted on one node.
const maxSlots = 1 << 20

// fitBeside is fit once one pod of the first request is there.
func fitBeside(room, first, request []int64, limit int) int {
	for r, q := range request {
		if q <= 0 {
			continue
		}
		left := room[r] - first[r]
		if left < q {
			return 0
		}
		limit = int(min(int64(limit), left/q))
	}
	return limit
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
			if b.largest[r] > 0 && float64(q)/float64(b.largest[r]) > float64(j.request[worst])/float64(max(b.largest[worst], 1)) {
				worst = r
			}
		}
	}
	return worst
}
