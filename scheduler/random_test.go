package scheduler

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// queues are those of random jobs; the last has no weight of its own.
var queues = []string{"a", "b", "c"}

// randomCase is a small cluster in which everything that can happen does.
func randomCase(rng *rand.Rand) (Snapshot, Policy) {
	now := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	s := Snapshot{Now: now, Resources: []string{"cpu", "memory", "nvidia.com/gpu"}[:1+rng.IntN(3)]}
	dims := len(s.Resources)
	for i := range 1 + rng.IntN(4) {
		n := Node{Name: "n" + strconv.Itoa(i)}
		for range dims {
			n.Capacity = append(n.Capacity, rng.Int64N(9))
		}
		s.Nodes = append(s.Nodes, n)
	}
	for range 1 + rng.IntN(2) {
		var allowed []bool
		for range s.Nodes {
			allowed = append(allowed, rng.IntN(4) > 0)
		}
		s.Classes = append(s.Classes, allowed)
	}
	vector := func() Vector {
		v := make(Vector, dims-rng.IntN(2)) // a missing tail is zero
		for r := range v {
			v[r] = rng.Int64N(5)
		}
		return v
	}
	quantiles := func() predictor.Quantiles[time.Duration] {
		if rng.IntN(6) == 0 {
			return predictor.Quantiles[time.Duration]{}
		}
		p50 := time.Duration(1 + rng.IntN(10))
		p90 := p50 + time.Duration(rng.IntN(10))
		return predictor.Quantiles[time.Duration]{P10: p50 / 2, P50: p50, P90: p90, P99: p90 + 5}
	}
	free := make([][]int64, len(s.Nodes))
	for n := range s.Nodes {
		free[n] = slices.Clone(s.Nodes[n].Capacity)
	}
	for i := range rng.IntN(6) {
		r := Running{ID: "r" + strconv.Itoa(i), Foreign: rng.IntN(6) == 0, Request: vector(), Class: rng.IntN(len(s.Classes)), Remaining: quantiles()}
		for range 1 + rng.IntN(2) {
			n := rng.IntN(len(s.Nodes)+1) - 1
			if n >= 0 && rng.IntN(10) > 0 { // rarely a node is overcommitted
				request := append(slices.Clone(r.Request), 0)[:dims]
				if lacking(free[n], request) >= 0 {
					continue
				}
				add(free[n], request, -1)
			}
			r.Pods = append(r.Pods, n)
		}
		for range max(0, rng.IntN(5)-2) {
			r.Preferred = append(r.Preferred, rng.IntN(len(s.Nodes)))
		}
		s.Running = append(s.Running, r)
	}
	for i := range rng.IntN(8) {
		j := Pending{
			ID: "p" + strconv.Itoa(i), Name: "p" + strconv.Itoa(i),
			Tier: int32(rng.IntN(2)), Submitted: now.Add(-time.Duration(rng.IntN(20))),
			Pods: 1, Request: vector(), Class: rng.IntN(len(s.Classes)), Runtime: quantiles(),
		}
		if rng.IntN(3) == 0 {
			j.Pods = rng.IntN(4)
		}
		if rng.IntN(5) == 0 {
			j.Deadline = now.Add(time.Duration(rng.IntN(40)))
		}
		if rng.IntN(8) == 0 {
			j.EarliestStart = now.Add(time.Duration(rng.IntN(20) - 5))
		}
		if rng.IntN(4) == 0 {
			j.ReservedStart = now.Add(time.Duration(rng.IntN(30) - 5))
			for range rng.IntN(3) { // sometimes a wrong number, or nodes that it may not use
				j.ReservedNodes = append(j.ReservedNodes, rng.IntN(len(s.Nodes)))
			}
			slices.Sort(j.ReservedNodes)
		}
		s.Pending = append(s.Pending, j)
	}
	if rng.IntN(3) == 0 {
		s.Weights = map[string]float64{"a": 1 + float64(rng.IntN(3)), "b": 0.5}
		for i := range s.Running {
			s.Running[i].Queue = queues[rng.IntN(len(queues))]
		}
		for i := range s.Pending {
			s.Pending[i].Queue = queues[rng.IntN(len(queues))]
		}
	}
	p := DefaultPolicy()
	p.SizeExponent = float64(rng.IntN(3)) / 2
	p.AgeingTime = time.Duration(1 + rng.IntN(10))
	p.OverdueAfter = float64(rng.IntN(5))
	p.Reservations = rng.IntN(4)
	p.FirmWithin = time.Duration(rng.IntN(30))
	p.DeadlineReservations = rng.IntN(4)
	p.LargeShare = float64(rng.IntN(6)) / 4
	p.Search = 3
	return s, p
}

func TestPlanEqualsTwin(t *testing.T) {
	var verdicts = map[Verdict]int{}
	for seed := range uint64(10_000) {
		s, p := randomCase(rand.New(rand.NewPCG(seed, 7)))
		site := newSite(&s)
		pl := newPlanner(&s, p, site, newJobs(&s, p, site))
		pl.walk()
		w := newTwin(s, p)
		w.plan()
		for _, j := range pl.jobs {
			d := pl.decisions[j.index]
			verdicts[d.Verdict]++
			start := time.Duration(-1)
			if r := pl.reservations[j]; r != nil {
				start = r.start
			}
			if d.Verdict != w.verdicts[j.index] || start != w.starts[j.index] ||
				d.Verdict != Held && !slices.Equal(d.Nodes, w.nodes[j.index]) {
				t.Fatalf("seed %d, job %s: plan says %s from %d on %v, twin %s from %d on %v", seed, j.ID,
					d.Verdict, start, d.Nodes, w.verdicts[j.index], w.starts[j.index], w.nodes[j.index])
			}
		}
	}
	for _, v := range []Verdict{Released, Backfilled, Reserved, Held} {
		if verdicts[v] < 500 {
			t.Errorf("only %d decisions are %s: the cases are too plain", verdicts[v], v)
		}
	}
}

func TestCoarseRoomCoversWhatFits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	told := 0
	for range 100_000 {
		dims := 1 + rng.IntN(10)
		vector := func() []int64 {
			v := make([]int64, dims)
			for r := range v {
				v[r] = rng.Int64N(1<<rng.IntN(63)) - int64(rng.IntN(2)) // sometimes nothing, or less
			}
			return v
		}
		largest, room, request := vector(), vector(), vector()
		w := newSite(&Snapshot{Resources: make([]string, dims), Nodes: []Node{{Capacity: largest}}})
		request = w.dense(request)
		covered := covers(w.coarse(room), w.coarse(request))
		if lacking(room, request) < 0 && !covered {
			t.Fatalf("on a node of %v: room for %v is not covered by %v", largest, request, room)
		}
		if !covered {
			told++
		}
	}
	if told < 50_000 {
		t.Errorf("only %d requests were found to be too large", told)
	}
}

func TestPlanInvariants(t *testing.T) {
	for seed := range uint64(2_000) {
		rng := rand.New(rand.NewPCG(seed, 8))
		s, p := randomCase(rng)
		was := clone(s)
		schedule := Plan(s, p)
		if !reflect.DeepEqual(s, was) {
			t.Fatalf("seed %d: Plan changed its snapshot", seed)
		}
		checkDecisions(t, s, schedule)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		// The same in any order of Pending.
		byID := map[string]Decision{}
		for _, d := range schedule.Decisions {
			byID[s.Pending[d.Job].ID] = d
		}
		rng.Shuffle(len(s.Pending), func(i, k int) { s.Pending[i], s.Pending[k] = s.Pending[k], s.Pending[i] })
		for _, d := range Plan(s, p).Decisions {
			d.Job = byID[s.Pending[d.Job].ID].Job
			if !reflect.DeepEqual(d, byID[was.Pending[d.Job].ID]) {
				t.Fatalf("seed %d: in another order of Pending, %v, not %v", seed, d, byID[was.Pending[d.Job].ID])
			}
		}
	}
}

// TestForecastIsKept: while a forecast is fresh, the next plan says of every job what it
// said, and decides as if it had made its own; afterwards it makes its own.
func TestForecastIsKept(t *testing.T) {
	remembered := 0
	for seed := range uint64(1_000) {
		rng := rand.New(rand.NewPCG(seed, 10))
		s, p := randomCase(rng)
		first := Plan(s, p)
		if first.Forecast == nil {
			continue
		}
		said := map[string]Decision{}
		for _, d := range first.Decisions {
			if !d.Verdict.Starts() {
				said[s.Pending[d.Job].ID] = d
			}
		}
		s.Now = s.Now.Add(time.Duration(rng.IntN(10)))
		s.Running = s.Running[min(len(s.Running), rng.IntN(2)):]
		s.Pending[0].ID = "new"
		anew := Plan(s, p)
		s.Forecast = first.Forecast
		kept := Plan(s, p)
		checkDecisions(t, s, kept)
		made := map[string]Decision{}
		for _, d := range anew.Decisions {
			made[s.Pending[d.Job].ID] = d
		}
		for _, d := range kept.Decisions {
			j := s.Pending[d.Job]
			other, was := made[j.ID], said[j.ID]
			if d.Verdict != other.Verdict || d.Reason != other.Reason || !slices.Equal(d.Nodes, other.Nodes) || !d.ReservedStart.Equal(other.ReservedStart) {
				t.Fatalf("seed %d: with an earlier forecast it decides %v, not %v", seed, d, other)
			}
			if d.Verdict.Starts() {
				continue
			}
			if other.StartP50.IsZero() || was.StartP50.IsZero() {
				continue // it never starts, or is new
			}
			want := was.StartP50
			for _, not := range []time.Time{s.Now, j.EarliestStart} {
				if want.Before(not) {
					want = not
				}
			}
			if !d.StartP50.Equal(want) {
				t.Fatalf("seed %d: %s starts at %v, it was said at %v", seed, j.ID, d.StartP50, want)
			}
			remembered++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		s.Now = s.Now.Add(first.Forecast.fresh)
		again := Plan(s, p)
		if again.Forecast == first.Forecast {
			t.Fatalf("seed %d: an old forecast is kept", seed)
		}
		s.Forecast = nil
		if own := Plan(s, p); !reflect.DeepEqual(own, again) {
			t.Fatalf("seed %d: after an old forecast, %v, not %v", seed, again, own)
		}
	}
	if remembered < 400 {
		t.Errorf("only %d forecasts are kept: the cases are too plain", remembered)
	}
}

func clone(s Snapshot) Snapshot {
	c := s
	c.Running = slices.Clone(s.Running)
	c.Pending = slices.Clone(s.Pending)
	c.Nodes = slices.Clone(s.Nodes)
	for i := range c.Running {
		c.Running[i].Request = slices.Clone(s.Running[i].Request)
		c.Running[i].Pods = slices.Clone(s.Running[i].Pods)
	}
	for i := range c.Pending {
		c.Pending[i].Request = slices.Clone(s.Pending[i].Request)
	}
	for i := range c.Nodes {
		c.Nodes[i].Capacity = slices.Clone(s.Nodes[i].Capacity)
	}
	return c
}

// checkDecisions checks what must hold of every schedule.
func checkDecisions(t *testing.T, s Snapshot, schedule Schedule) {
	t.Helper()
	seen := make([]bool, len(s.Pending))
	used := make([][]int64, len(s.Nodes))
	for n := range used {
		used[n] = make([]int64, len(s.Resources))
	}
	take := func(n int, v Vector) {
		for r, q := range v {
			used[n][r] += q
		}
	}
	for _, r := range s.Running {
		for _, n := range r.Pods {
			if n >= 0 {
				take(n, r.Request)
			}
		}
	}
	waits := false
	for _, d := range schedule.Decisions {
		if seen[d.Job] {
			t.Errorf("job %d is decided twice", d.Job)
		}
		seen[d.Job] = true
		j := s.Pending[d.Job]
		if d.Reason == "" {
			t.Errorf("%s: no reason", j.ID)
		}
		if d.Verdict != Held && len(d.Nodes) != max(j.Pods, 1) {
			t.Errorf("%s: %d pods on %d nodes", j.ID, j.Pods, len(d.Nodes))
		}
		for _, n := range d.Nodes {
			if !s.Classes[j.Class][n] {
				t.Errorf("%s: on node %d, which its class does not allow", j.ID, n)
			}
			if d.Verdict.Starts() {
				take(n, j.Request)
				for r, q := range j.Request {
					if q > 0 && used[n][r] > s.Nodes[n].Capacity[r] {
						t.Errorf("%s: node %d has %d of resource %d in use, and only %d", j.ID, n, used[n][r], r, s.Nodes[n].Capacity[r])
					}
				}
			}
		}
		if d.Verdict.Starts() {
			if waits {
				t.Errorf("%s starts, and stands behind one that waits", j.ID)
			}
			if !d.StartP50.Equal(s.Now) || j.EarliestStart.After(s.Now) {
				t.Errorf("%s: starts, and its forecast is %v", j.ID, d.StartP50)
			}
		}
		waits = waits || !d.Verdict.Starts()
		for _, pair := range [][2]time.Time{{s.Now, d.StartP50}, {d.StartP50, d.StartP90}, {d.EndP50, d.EndP90}, {d.StartP50, d.EndP50}, {d.StartP90, d.EndP90}, {j.EarliestStart, d.StartP50}} {
			if !pair[0].IsZero() && !pair[1].IsZero() && pair[1].Before(pair[0]) {
				t.Errorf("%s: times out of order: %v", j.ID, d)
			}
		}
		if d.StartP50.IsZero() && (!d.StartP90.IsZero() || !d.EndP50.IsZero() || !d.EndP90.IsZero()) {
			t.Errorf("%s: forecasts an end and no start: %v", j.ID, d)
		}
	}
	if slices.Contains(seen, false) {
		t.Error("a job has no decision")
	}
}

// TestReservationHolds: a reservation that is near, of a job of known runtime, is
// delayed by nothing that keeps its p90 and comes no matter when: not by a shorter
// job, an overdue one or one with a deadline.
func TestReservationHolds(t *testing.T) {
	kept, overtaken := 0, 0
	for seed := range uint64(3_000) {
		rng := rand.New(rand.NewPCG(seed, 9))
		s, p := randomCase(rng)
		type run struct {
			Running
			end, by time.Time // truly, and by its p90; zero if unknown
		}
		var running []run
		start := func(r Running, p90 time.Duration) {
			now := run{Running: r}
			if p90 > 0 {
				now.by = s.Now.Add(p90)
				now.end = now.by.Add(-time.Duration(rng.IntN(int(p90)/2 + 1)))
			}
			running = append(running, now)
		}
		for _, r := range s.Running {
			r.Pods = slices.DeleteFunc(r.Pods, func(n int) bool { return n < 0 })
			start(r, r.Remaining.P90)
		}
		coming := s.Pending
		s.Pending = nil
		firm := map[string]time.Time{}
		for step := range 80 {
			if len(coming) > 0 && rng.IntN(2) == 0 {
				j := coming[0]
				coming = coming[1:]
				j.Tier, j.ReservedStart, j.ReservedNodes, j.EarliestStart = 0, time.Time{}, nil, time.Time{}
				j.Submitted = s.Now.Add(-time.Duration(rng.IntN(10)))
				s.Pending = append(s.Pending, j)
			}
			s.Running = nil
			for _, r := range running {
				if !r.by.IsZero() { // the longer it runs, the later it may be expected to end
					r.Remaining = predictor.Exactly(r.by.Sub(s.Now) + time.Duration(rng.IntN(3)))
				}
				s.Running = append(s.Running, r.Running)
			}
			var waiting []Pending
			first := true
			for _, d := range Plan(s, p).Decisions {
				j := s.Pending[d.Job]
				if by, ok := firm[j.ID]; ok && (s.Now.After(by) || !d.Verdict.Starts() && d.ReservedStart.After(by)) {
					t.Fatalf("seed %d, step %d: %s %s, reserved for %v", seed, step, j.ID, d.Verdict, by)
				}
				if d.Verdict.Starts() {
					start(Running{ID: j.ID, Request: j.Request, Pods: d.Nodes, Remaining: j.Runtime}, j.Runtime.P90)
					continue
				}
				j.ReservedStart, j.ReservedNodes = d.ReservedStart, d.Nodes
				waiting = append(waiting, j)
				if at := d.ReservedStart; !at.IsZero() && at.Sub(s.Now) < p.FirmWithin && !j.Runtime.IsZero() {
					kept++
					firm[j.ID] = at
					if !first {
						overtaken++
					}
				}
				first = false
			}
			s.Pending = waiting
			s.Now = s.Now.Add(1)
			running = slices.DeleteFunc(running, func(r run) bool {
				return !r.Foreign && !r.end.IsZero() && !r.end.After(s.Now)
			})
		}
	}
	if kept < 2500 || overtaken < 300 {
		t.Errorf("%d reservations are kept, %d of them not the first in line: the cases are too plain", kept, overtaken)
	}
}
