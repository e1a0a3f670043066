package scheduler

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A twin makes the same plan as Plan in the slow and obvious way: it keeps a list
// of who is where from when to when, tries every nanosecond up to horizon, and
// adds up the list at each. Runtimes of test cases are a few nanoseconds.
type twin struct {
	s     Snapshot
	p     Policy
	spans []span
	over  map[int]bool     // by index: started or not to be considered any more
	bound map[string]int64 // by ID: pods that the plan found a node for

	verdicts []Verdict
	nodes    [][]int
	starts   []time.Duration // of reservations, by index in Pending; -1 if none
	reserved map[string]int  // by queue: how many count for Policy.Reservations
}

const horizon = 400

// A span is a number of pods of one job on a node.
type span struct {
	job      int // index in Pending; -1 for what ran before
	node     int
	request  Vector
	from, to time.Duration
	reserved bool
	forever  bool // foreign
	seq      int  // order in which the spans of the plan came to be
}

func newTwin(s Snapshot, p Policy) *twin {
	w := &twin{s: s, p: p, over: map[int]bool{}, bound: map[string]int64{}, reserved: map[string]int{}, verdicts: make([]Verdict, len(s.Pending)),
		nodes: make([][]int, len(s.Pending)), starts: make([]time.Duration, len(s.Pending))}
	for i := range w.starts {
		w.starts[i] = -1
		w.verdicts[i] = Held
	}
	return w
}

func (w *twin) room(n, r int, at time.Duration, seq int) int64 {
	v := component(w.s.Nodes[n].Capacity, r)
	for _, sp := range w.spans {
		// What has no known end is gone eventually, for whatever was planned after it.
		open := sp.to == eventually && (at < eventually || sp.seq >= seq)
		if sp.reserved && at == 0 && seq == math.MaxInt {
			continue // a reservation that starts now counts as a promise, see fits
		}
		if sp.node == n && sp.from <= at && (sp.forever || at < sp.to && sp.to != eventually || open) {
			v -= component(sp.request, r)
		}
	}
	return v
}

func component(v Vector, r int) int64 {
	if r < len(v) {
		return max(v[r], 0)
	}
	return 0
}

// count is how many pods fit on a node at a time.
func (w *twin) count(n int, request Vector, limit int, at time.Duration, seq int) int {
	for r := range w.s.Resources {
		if q := component(request, r); q > 0 {
			limit = min(limit, int(max(w.room(n, r, at, seq), 0)/q))
		}
	}
	return limit
}

func (w *twin) fits(class, pods int, request Vector, large bool, from, end time.Duration) []int {
	type place struct {
		node, pods, offers int
		prolongs           time.Duration
		left               float64
	}
	var places []place
	total := 0
	for n := range w.s.Nodes {
		if class < 0 || class >= len(w.s.Classes) || n >= len(w.s.Classes[class]) || !w.s.Classes[class][n] {
			continue
		}
		c := w.count(n, request, pods, from, math.MaxInt)
		for _, sp := range w.spans {
			if sp.reserved && sp.node == n && sp.from >= from && (end > sp.from || end == eventually) {
				c = min(c, w.count(n, request, pods, sp.from, sp.seq))
			}
		}
		if c == 0 {
			continue
		}
		total += c
		pl := place{node: n, pods: c}
		for r := range w.s.Resources {
			q := component(request, r)
			if q == 0 && component(w.s.Nodes[n].Capacity, r) > 0 {
				pl.offers++
			}
			if most := w.largest(r); most > 0 {
				pl.left += float64(w.room(n, r, from, math.MaxInt)) * (1 / float64(most))
			}
		}
		if !large && w.p.LargeShare <= 1 {
			busy := from
			for _, sp := range w.spans {
				if sp.node == n && !sp.reserved && !sp.forever {
					busy = max(busy, sp.to)
				}
			}
			pl.prolongs = max(end-busy, 0)
		}
		if large {
			pl.left = -pl.left
		}
		places = append(places, pl)
	}
	if total < pods {
		return nil
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.offers, b.offers), cmp.Compare(a.prolongs, b.prolongs), cmp.Compare(a.left, b.left), cmp.Compare(a.node, b.node))
	})
	nodes := []int{}
	for _, pl := range places {
		for range pl.pods {
			if len(nodes) < pods {
				nodes = append(nodes, pl.node)
			}
		}
	}
	return nodes
}

func (w *twin) largest(r int) int64 {
	var most int64
	for _, n := range w.s.Nodes {
		most = max(most, component(n.Capacity, r))
	}
	return most
}

// part is the dominant share of pods in the given capacity.
func part(request Vector, pods int, capacity func(r int) int64, dims int) float64 {
	var most float64
	for r := range dims {
		q := component(request, r)
		if q > 0 && capacity(r) == 0 {
			return 1
		}
		if q > 0 {
			most = max(most, float64(q)*float64(pods)/float64(capacity(r)))
		}
	}
	return most
}

func (w *twin) large(request Vector) bool {
	return part(request, 1, w.largest, len(w.s.Resources)) >= w.p.LargeShare
}

func (w *twin) add(job int, nodes []int, request Vector, from, to time.Duration, reserved, forever bool) {
	seq := len(w.spans) + 1
	for _, n := range nodes {
		w.spans = append(w.spans, span{job, n, request, from, to, reserved, forever, seq})
	}
}

// earliest tries every time after now.
func (w *twin) earliest(class, pods int, request Vector, runtime time.Duration) (time.Duration, []int) {
	for t := time.Duration(1); t < horizon; t++ {
		if nodes := w.fits(class, pods, request, w.large(request), t, later(t, runtime)); nodes != nil {
			return t, nodes
		}
	}
	if nodes := w.fits(class, pods, request, w.large(request), eventually, eventually); nodes != nil {
		return eventually, nodes
	}
	return -1, nil
}

func (w *twin) runtime(i int) time.Duration {
	if w.s.Pending[i].Runtime.IsZero() {
		return eventually
	}
	return w.s.Pending[i].Runtime.P90
}

func (w *twin) pods(i int) int { return max(w.s.Pending[i].Pods, 1) }

// order sorts by the documented rules.
func (w *twin) order() []int {
	var order []int
	for i := range w.s.Pending {
		order = append(order, i)
	}
	score := func(i int) float64 {
		j := w.s.Pending[i]
		mean := j.Mean
		if mean == 0 {
			mean = j.Runtime.P50
		}
		return mean.Seconds() * math.Pow(w.share(i), w.p.SizeExponent) / (1 + w.waits(i)/float64(w.p.AgeingTime))
	}
	overdue := func(i int) int {
		if w.overdue(i) {
			return 0
		}
		return 1
	}
	unknown := func(i int) int {
		if w.s.Pending[i].Runtime.IsZero() {
			return 1
		}
		return 0
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := w.s.Pending[a], w.s.Pending[b]
		if c := cmp.Or(-cmp.Compare(x.Tier, y.Tier), cmp.Compare(overdue(a), overdue(b))); c != 0 {
			return c
		}
		if overdue(a) == 0 && !x.Submitted.Equal(y.Submitted) {
			return x.Submitted.Compare(y.Submitted)
		}
		if c := cmp.Compare(unknown(a), unknown(b)); c != 0 {
			return c
		}
		if unknown(a) == 0 && score(a) != score(b) {
			return cmp.Compare(score(a), score(b))
		}
		return cmp.Or(x.Submitted.Compare(y.Submitted), cmp.Compare(x.ID, y.ID))
	})
	return order
}

func (w *twin) overdue(i int) bool {
	return w.waits(i) >= w.p.OverdueAfter*float64(w.p.AgeingTime)
}

// share is the dominant share of job i of the whole cluster.
func (w *twin) share(i int) float64 {
	return part(w.s.Pending[i].Request, w.pods(i), func(r int) int64 {
		var sum int64
		for _, n := range w.s.Nodes {
			sum += component(n.Capacity, r)
		}
		return sum
	}, len(w.s.Resources))
}

// waits is how long job i has waited, in proportion to how long the cluster would take
// for all that waits.
func (w *twin) waits(i int) float64 {
	backlog := 0.0
	for k, j := range w.s.Pending {
		mean := j.Mean
		if mean == 0 {
			mean = j.Runtime.P50
		}
		if !j.Runtime.IsZero() && w.share(k) <= 1 && part(j.Request, 1, w.largest, len(w.s.Resources)) <= 1 {
			backlog += math.Floor(float64(mean) * w.share(k))
		}
	}
	stretch := 1.0
	if patience := w.p.OverdueAfter * float64(w.p.AgeingTime); backlog > patience {
		stretch = min(backlog/patience, 7)
	}
	return float64(w.s.Now.Sub(w.s.Pending[i].Submitted)) / stretch
}

func (w *twin) early(i int) bool { return w.s.Pending[i].EarliestStart.After(w.s.Now) }

func (w *twin) plan() {
	for _, r := range w.s.Running {
		for _, n := range r.Pods {
			if n >= 0 {
				w.add(-1, []int{n}, r.Request, 0, restOf(&r), false, r.Foreign)
			}
		}
	}
	for _, r := range w.s.Running {
		for _, n := range r.Pods {
			if n >= 0 {
				continue
			}
			preferred := slices.IndexFunc(r.Preferred, func(n int) bool { return w.s.Classes[r.Class][n] && w.has([]int{n}, r.Request) })
			if preferred >= 0 {
				w.add(-1, r.Preferred[preferred:preferred+1], r.Request, 0, restOf(&r), false, r.Foreign)
				w.bound[r.ID]++
			} else if nodes := w.fits(r.Class, 1, r.Request, w.large(r.Request), 0, restOf(&r)); nodes != nil {
				w.add(-1, nodes, r.Request, 0, restOf(&r), false, r.Foreign)
				w.bound[r.ID]++
			} else if t, nodes := w.earliest(r.Class, 1, r.Request, restOf(&r)); nodes != nil && !r.Foreign {
				w.add(-1, nodes, r.Request, t, later(t, restOf(&r)), true, false)
			}
		}
	}
	order := w.order()
	able := map[int]bool{}
	for i, j := range w.s.Pending {
		// On a site on which only foreign pods are left.
		last := newTwin(w.s, w.p)
		for _, sp := range w.spans {
			if sp.forever {
				last.spans = append(last.spans, sp)
			}
		}
		able[i] = last.fits(j.Class, w.pods(i), j.Request, false, 0, 1) != nil
	}
	blocked := false
	left := slices.Clone(order)
	tier := int32(math.MaxInt32)
	for len(left) > 0 {
		if next := w.s.Pending[left[0]].Tier; next != tier {
			tier = next
			w.keep(order, tier)
			w.deadlines(order, tier)
		}
		i := w.next(left)
		left = slices.DeleteFunc(left, func(k int) bool { return k == i })
		j := w.s.Pending[i]
		if w.early(i) || !able[i] && w.starts[i] < 0 {
			if w.starts[i] >= 0 && !w.early(i) {
				w.verdicts[i] = Reserved
			}
			continue
		}
		own := w.take(i)
		nodes := w.fits(j.Class, w.pods(i), j.Request, w.large(j.Request), 0, w.runtime(i))
		if own != nil && w.starts[i] == 0 && w.has(w.nodes[i], j.Request) {
			nodes = w.nodes[i]
		}
		if nodes != nil {
			w.add(i, nodes, j.Request, 0, w.runtime(i), false, false)
			w.over[i] = true
			w.starts[i] = -1
			w.nodes[i] = nodes
			w.verdicts[i] = Released
			if blocked {
				w.verdicts[i] = Backfilled
			}
			continue
		}
		blocked = true
		queue := j.Queue
		if w.s.Weights == nil {
			queue = ""
		}
		if w.reserved[queue] < w.p.Reservations && (own == nil || w.firm(i) >= 0) {
			t, nodes := w.earliest(j.Class, w.pods(i), j.Request, w.runtime(i))
			if better := nodes != nil && (own == nil || t <= w.starts[i]); better || own != nil {
				w.reserved[queue]++
				if better {
					own = nil
					w.reserve(i, t, nodes)
					w.verdicts[i] = Reserved
				}
			}
		}
		if own != nil {
			w.spans = append(w.spans, own...)
			w.verdicts[i] = Reserved
		}
	}
}

// next chooses among jobs in order: the first, or with weights the first of the queue
// with the least share for its own.
func (w *twin) next(left []int) int {
	if w.s.Weights == nil {
		return left[0]
	}
	best := left[0]
	for _, i := range left {
		if w.s.Pending[i].Tier == w.s.Pending[best].Tier && w.queueShare(i) < w.queueShare(best) {
			best = i
		}
	}
	return best
}

// queueShare is the dominant share of the queue of job i over its weight.
func (w *twin) queueShare(i int) float64 {
	queue := w.s.Pending[i].Queue
	weight := w.s.Weights[queue]
	if weight == 0 {
		weight = 1
	}
	most := 0.0
	for r := range w.s.Resources {
		var used, total int64
		for n := range w.s.Nodes {
			total += component(w.s.Nodes[n].Capacity, r)
		}
		for _, run := range w.s.Running {
			for _, n := range run.Pods {
				if run.Queue == queue && !run.Foreign && n >= 0 {
					used += component(run.Request, r)
				}
			}
			if run.Queue == queue && !run.Foreign {
				used += component(run.Request, r) * w.bound[run.ID]
			}
		}
		for k, j := range w.s.Pending {
			if w.over[k] && j.Queue == queue {
				used += component(j.Request, r) * int64(w.pods(k))
			}
		}
		if used > 0 && total == 0 {
			return 1 / weight
		}
		if used > 0 {
			most = max(most, float64(used)/float64(total))
		}
	}
	return most / weight
}

func (w *twin) reserve(i int, t time.Duration, nodes []int) {
	w.starts[i], w.nodes[i] = t, nodes
	w.add(i, nodes, w.s.Pending[i].Request, t, later(t, w.runtime(i)), true, false)
}

// take removes the reservation of job i and returns its spans.
func (w *twin) take(i int) []span {
	var own []span
	w.spans = slices.DeleteFunc(w.spans, func(sp span) bool {
		if sp.job == i && sp.reserved {
			own = append(own, sp)
			return true
		}
		return false
	})
	return own
}

// firm is the reserved start that is to be kept, 0 if it has come; -1 if there is none.
func (w *twin) firm(i int) time.Duration {
	j := w.s.Pending[i]
	if j.ReservedStart.IsZero() || w.early(i) || j.Runtime.IsZero() || j.ReservedStart.Sub(w.s.Now).Abs() >= w.p.FirmWithin {
		return -1
	}
	if j.ReservedNodes != nil && len(j.ReservedNodes) != w.pods(i) {
		return -1
	}
	for _, n := range j.ReservedNodes {
		if !w.s.Classes[j.Class][n] {
			return -1
		}
	}
	return max(j.ReservedStart.Sub(w.s.Now), 0)
}

func (w *twin) keep(order []int, tier int32) {
	for _, i := range order {
		j := w.s.Pending[i]
		if j.Tier != tier || w.firm(i) < 0 {
			continue
		}
		if j.ReservedNodes != nil {
			w.reserve(i, w.firm(i), j.ReservedNodes)
			continue
		}
		for t := w.firm(i); t >= 0; t-- {
			if nodes := w.fits(j.Class, w.pods(i), j.Request, w.large(j.Request), t, later(t, w.runtime(i))); nodes != nil {
				w.reserve(i, t, nodes)
				break
			}
		}
	}
}

func (w *twin) has(nodes []int, request Vector) bool {
	pods := map[int]int{}
	for _, n := range nodes {
		pods[n]++
		if w.count(n, request, 1000, 0, math.MaxInt) < pods[n] {
			return false
		}
	}
	return true
}

func (w *twin) deadlines(order []int, tier int32) {
	var due []int
	for _, i := range order {
		if j := w.s.Pending[i]; j.Tier == tier && !j.Deadline.IsZero() {
			due = append(due, i)
		}
	}
	slices.SortStableFunc(due, func(a, b int) int { return w.s.Pending[a].Deadline.Compare(w.s.Pending[b].Deadline) })
	have := 0
	for _, n := range w.reserved {
		have -= n
	}
	for _, start := range w.starts {
		if start >= 0 {
			have++
		}
	}
	for _, i := range due {
		j := w.s.Pending[i]
		if have >= w.p.DeadlineReservations || j.Runtime.IsZero() || w.starts[i] >= 0 {
			continue
		}
		first := max(j.EarliestStart.Sub(w.s.Now), 0)
		if j.EarliestStart.IsZero() {
			first = 0
		}
		slack := j.Deadline.Sub(w.s.Now)
		at := func(t time.Duration) bool {
			nodes := w.fits(j.Class, w.pods(i), j.Request, w.large(j.Request), t, later(t, w.runtime(i)))
			if nodes != nil {
				w.reserve(i, t, nodes)
				have++
			}
			return nodes != nil
		}
		met := false
		for t := slack - w.runtime(i); t >= first && !met; t-- {
			met = at(t)
		}
		for t := time.Duration(0); t <= slack-j.Runtime.P50 && first == 0 && !met; t++ {
			met = at(t)
		}
	}
}
