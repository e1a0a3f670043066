package scheduler

import (
	"slices"
	"time"
)

// A board is the room on every node at one time, and how it will change: the
// ends of what runs and the starts and ends of what has been reserved.
//
// Room only shrinks at the start of a reservation. So a job that starts at the
// board's time and ends at e delays nothing if its pods fit now and at every
// start of a reservation before e, node by node: that is what promises are for.
type board struct {
	*site
	now      time.Duration
	free     []int64         // dims for each node; negative where pods exceed what is allocatable
	spare    []float64       // of each node: its free room in parts of the largest node, summed over the resources
	rough    []uint64        // of each node: its free room, coarsely
	busy     []time.Duration // of each node: until when jobs of ours run there; 0 if none does
	changes  changes
	promises [][]promise // by node; on few nodes there is any
	past     []change    // applied by advance, for rewind

	counts []int  // scratch of earliest: pods by node
	slots  []slot // scratch of place
}

// A promise is the room on a node that no reservation needs at the time at which
// one of them starts there.
type promise struct {
	at    time.Duration
	owner *reservation
	extra []int64
}

func newBoard(w *site) *board {
	return newBoardOf(w, w.capacity)
}

// newBoardOf returns a board with the given free room.
func newBoardOf(w *site, free []int64) *board {
	b := &board{
		site:     w,
		free:     slices.Clone(free),
		spare:    make([]float64, len(w.nodes)),
		rough:    make([]uint64, len(w.nodes)),
		busy:     make([]time.Duration, len(w.nodes)),
		promises: make([][]promise, len(w.nodes)),
		counts:   make([]int, len(w.nodes)),
	}
	b.measureAll()
	return b
}

// add makes the room on node n larger by pods × request.
func (b *board) add(n int32, request []int64, pods int32) {
	add(b.of(b.free, n), request, pods)
	b.measure(n)
}

func (b *board) measureAll() {
	for n := range b.spare {
		b.measure(int32(n))
	}
}

// measure derives what place goes by from the free room on node n.
func (b *board) measure(n int32) {
	room := b.of(b.free, n)
	spare := 0.0
	for r, v := range room {
		spare += float64(v) * b.unit[r]
	}
	b.spare[n], b.rough[n] = spare, b.coarse(room)
}

// add makes room, which is one node's, larger by pods × request.
func add(room, request []int64, pods int32) {
	for r, q := range request {
		room[r] += q * int64(pods)
	}
}

// start takes room for pods on nodes from now until end.
func (b *board) start(nodes []int, request []int64, end time.Duration, owner *string) {
	each(nodes, func(n, pods int32) {
		b.add(n, request, -pods)
		b.busy[n] = max(b.busy[n], end)
		b.changes.push(change{end, n, pods, request, owner})
		for _, p := range b.promises[n] {
			if outlasts(end, p.at) {
				add(p.extra, request, -pods)
			}
		}
	})
}

// has reports whether there is room for a pod on each of nodes now, reserved or not.
func (b *board) has(nodes []int, request []int64) bool {
	room := true
	each(nodes, func(n, pods int32) {
		room = room && fit(b.of(b.free, n), request, int(pods)) == int(pods)
	})
	return room
}

// each calls f for every run of equal nodes, which has one element for each pod.
func each(nodes []int, f func(n, pods int32)) {
	for i := 0; i < len(nodes); {
		k := i + 1
		for k < len(nodes) && nodes[k] == nodes[i] {
			k++
		}
		f(int32(nodes[i]), int32(k-i))
		i = k
	}
}

// advance moves the board to time t, which is not before its own.
func (b *board) advance(t time.Duration) {
	for len(b.changes) > 0 && b.changes[0].at <= t {
		c := b.changes.pop()
		b.add(c.node, c.request, c.pods)
		b.past = append(b.past, c)
	}
	b.now = t
}

// rewind moves the board back to time t, undoing every advance since.
func (b *board) rewind(t time.Duration) {
	for _, c := range b.past {
		b.add(c.node, c.request, -c.pods)
		b.changes.push(c)
	}
	b.past = b.past[:0]
	b.now = t
}

// at returns the board as it will be at time t, for place only.
func (b *board) at(t time.Duration) *board {
	then := *b
	then.now = t
	then.free, then.spare, then.rough = slices.Clone(b.free), make([]float64, len(b.spare)), make([]uint64, len(b.rough))
	for _, c := range b.changes {
		if c.at <= t {
			add(then.of(then.free, c.node), c.request, c.pods)
		}
	}
	then.measureAll()
	return &then
}
