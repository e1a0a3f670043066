package scheduler

import (
	"math"
	"time"
)

// Inside a plan a point in time is a time.Duration counted from Snapshot.Now.
const (
	// eventually is after every time that can be foreseen: when a job of ours
	// ends whose remaining time is unknown.
	eventually time.Duration = math.MaxInt64
)

// later returns t+d, at most eventually. Neither is negative.
func later(t, d time.Duration) time.Duration {
	if t > eventually-d {
		return eventually
	}
	return t + d
}

// outlasts reports whether what ends at end may still be there at t.
func outlasts(end, t time.Duration) bool { return end > t || end == eventually }

// A site is what stays the same during one plan: the nodes and their classes.
type site struct {
	resources []string
	nodes     []Node
	dims      int       // len(resources)
	capacity  []int64   // dims for each node
	largest   []int64   // the largest capacity of any node, for each resource
	unit      []float64 // 1/largest, 0 if no node has any
	total     []int64   // of all nodes together
	offered   []uint64  // of each node: the resources it has any of, one bit each, the first 64
	allowed   [][]bool  // Snapshot.Classes
	classes   [][]int32 // the nodes of each class
	packs     bool      // pods go to the tightest node, whenever they end
}

func newSite(s *Snapshot) *site {
	w := &site{resources: s.Resources, nodes: s.Nodes, dims: len(s.Resources), allowed: s.Classes}
	w.largest = make([]int64, w.dims)
	w.unit = make([]float64, w.dims)
	w.total = make([]int64, w.dims)
	w.capacity = make([]int64, len(s.Nodes)*w.dims)
	w.offered = make([]uint64, len(s.Nodes))
	for n, node := range s.Nodes {
		copy(w.of(w.capacity, int32(n)), node.Capacity)
		for r, c := range w.of(w.capacity, int32(n)) {
			w.largest[r] = max(w.largest[r], c)
			w.total[r] += c
		}
		w.offered[n] = present(w.of(w.capacity, int32(n)))
	}
	for r, c := range w.largest {
		if c > 0 {
			w.unit[r] = 1 / float64(c)
		}
	}
	w.classes = make([][]int32, len(s.Classes))
	for c, allowed := range s.Classes {
		for n, ok := range allowed[:min(len(allowed), len(s.Nodes))] {
			if ok {
				w.classes[c] = append(w.classes[c], int32(n))
			}
		}
	}
	return w
}

// present has a bit set for each of the first 64 resources of which v has any.
func present(v []int64) uint64 {
	var set uint64
	for r, x := range v[:min(len(v), 64)] {
		if x > 0 {
			set |= 1 << r
		}
	}
	return set
}

// of returns node n's part of an array that has dims elements for each node.
func (w *site) of(array []int64, n int32) []int64 {
	return array[int(n)*w.dims : (int(n)+1)*w.dims : (int(n)+1)*w.dims]
}

// class returns the nodes of class c; none if there is no such class.
func (w *site) class(c int) []int32 {
	if c < 0 || c >= len(w.classes) {
		return nil
	}
	return w.classes[c]
}

// allows reports whether a job of class c may use node n.
func (w *site) allows(c int, n int32) bool {
	return c >= 0 && c < len(w.allowed) && int(n) < len(w.allowed[c]) && w.allowed[c][n]
}

// dense returns v with exactly dims elements, none of them negative.
func (w *site) dense(v Vector) []int64 { return w.fill(make([]int64, w.dims), v) }

// fill writes v into d, which has dims elements, as dense does.
func (w *site) fill(d []int64, v Vector) []int64 {
	copy(d, v)
	for r := range d {
		d[r] = max(d[r], 0)
	}
	return d
}

// coarse writes amounts in eight bits each, those of the first eight resources, in 127ths
// of the largest node: for covers.
func (w *site) coarse(v []int64) uint64 {
	var c uint64
	for r, x := range v[:min(len(v), 8)] {
		c |= uint64(min(max(float64(x)*w.unit[r]*127, 0), 127)) << (8 * r)
	}
	return c
}

// covers compares eight coarse amounts at once. If it is false, room is too small for the
// request; if it is true it may be all the same.
func covers(room, request uint64) bool {
	const high = 0x8080808080808080
	return ((room|high)-request)&high == high
}

// share is the largest part that pods × request takes of any resource of room.
func share(request []int64, pods int, room []int64) float64 {
	var most float64
	for r, q := range request {
		switch {
		case q <= 0:
		case room[r] <= 0:
			return 1
		default:
			most = max(most, float64(q)*float64(pods)/float64(room[r]))
		}
	}
	return most
}

// fit is how many pods of the given request go into room, at most limit.
// A resource that is not asked for does not count, however overcommitted.
func fit(room, request []int64, limit int) int {
	for r, q := range request {
		if q <= 0 {
			continue
		}
		if room[r] < q {
			return 0
		}
		if limit > 1 {
			limit = int(min(int64(limit), room[r]/q))
		}
	}
	return limit
}

// lacking returns the first resource of which room has too little for one pod,
// or -1 if one fits.
func lacking(room, request []int64) int {
	for r, q := range request {
		if q > 0 && room[r] < q {
			return r
		}
	}
	return -1
}

// fitAll reports whether at least pods pods fit into room on the given nodes together.
func (w *site) fitAll(room []int64, nodes []int32, request []int64, pods int) bool {
	for _, n := range nodes {
		if pods -= fit(w.of(room, n), request, pods); pods <= 0 {
			return true
		}
	}
	return false
}
