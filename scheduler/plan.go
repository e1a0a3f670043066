package scheduler

import (
	"cmp"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// Plan decides for every pending job whether it starts now, and foretells when
// the others will. It is deterministic, keeps no state and does not change s.
// p must be valid.
//
// Room is planned with the p90 of what runs and of what starts; a job of ours
// whose runtime is unknown ends eventually, after all others; a foreign pod
// never ends.
//
//  1. Pods released earlier that no node has yet get their room first.
//  2. Tier by tier, reservations that are near are kept (Policy.FirmWithin): only a
//     higher tier, an overrun or the loss of a node can delay them. Then jobs with a
//     deadline get the latest room that still meets it, or the earliest if none is sure to.
//  3. Jobs are walked in planned order; if queues have weights, the one that has the
//     least of the cluster for its own goes next within a tier. Whatever fits starts. The
//     first Policy.Reservations (of each such queue) that do not fit get a reservation at
//     the earliest time at which they will; all later ones start only if they leave it alone.
//  4. A job that no node could ever run, or only nodes held by foreign pods, is
//     held and blocks nobody.
//  5. Other orders are tried, if Policy.Search says so.
//  6. The schedule is played forward with median and with p90 runtimes, if s.Forecast is
//     not fresh.
func Plan(s Snapshot, p Policy) Schedule {
	w := newSite(&s)
	pl := newPlanner(&s, p, w, newJobs(&s, p, w))
	pl.walk()
	if p.Search > 0 {
		pl = pl.search()
	}
	forecast := pl.forecast()
	schedule := pl.schedule()
	schedule.Forecast = forecast
	return schedule
}

// walk does all of Plan but the forecast.
func (pl *planner) walk() {
	pl.settle()
	for tier := range tiers(pl.jobs) {
		pl.keepReservations(tier)
		pl.meetDeadlines(tier)
		for j := range pl.turns(tier) {
			pl.decisions[j.index] = pl.decide(j)
		}
	}
}

// newPlanner returns one that is to walk jobs in their order.
func newPlanner(s *Snapshot, p Policy, w *site, jobs []*job) *planner {
	w.packs = p.LargeShare > 1
	return &planner{
		Snapshot:     s,
		policy:       p,
		board:        newBoard(w),
		jobs:         jobs,
		reservations: make(map[*job]*reservation),
		decisions:    make([]Decision, len(s.Pending)),
		lasting:      slices.Clone(w.capacity),
		queues:       make(map[string]*queue),
		occupants:    make([]occupant, 0, len(s.Running)),
	}
}

// A planner is one run of Plan.
type planner struct {
	*Snapshot
	policy  Policy
	board   *board
	jobs    []*job
	lasting []int64 // room once every job of ours has ended
	queues  map[string]*queue

	occupants    []occupant            // what runs, and what starts now
	started      []*job                // in the order in which they start
	waiting      []*job                // those that will start later, in planned order
	blocked      []*job                // those of them that wait for room
	reservations map[*job]*reservation // those kept, for deadlines, and for the first that do not fit
	reserved     int                   // how many of these count for Policy.Reservations
	refusals     []refusal             // what did not fit in this walk
	unserved     []*job                // those that no node can ever run
	choice       bool                  // another job that waits might have started now
	trial        bool                  // nobody is going to read the reasons: they are left out
	decisions    []Decision            // by index in Snapshot.Pending
}

// An occupant holds room from now until it ends.
type occupant struct {
	nodes   []int
	request []int64
	rest    predictor.Quantiles[time.Duration] // zero: eventually
	owner   *string
}

// decide starts j, reserves for it, or lets it wait.
func (pl *planner) decide(j *job) Decision {
	d := Decision{Job: j.index, Verdict: Held}
	if j.early > 0 {
		if d.Reason = pl.hopeless(j); d.Reason != "" {
			pl.unserved = append(pl.unserved, j)
			return d
		}
		d.Reason = "may not start before " + pl.clock(j.early)
		pl.waiting = append(pl.waiting, j)
		return d
	}
	own := pl.reservations[j]
	if own != nil {
		pl.board.drop(own)
		delete(pl.reservations, j)
		pl.refusals = slices.DeleteFunc(pl.refusals, func(r refusal) bool { return r.promised != nil })
	}
	nodes, refused := pl.place(j)
	if own != nil && own.start == 0 && pl.board.has(own.nodes, j.request) {
		nodes = own.nodes // later reservations there were made to stand behind it
	}
	pl.choice = pl.choice || nodes != nil || refused.promised != nil
	if nodes != nil {
		d.Nodes, d.Verdict = nodes, Backfilled
		if len(pl.blocked) == 0 {
			d.Verdict = Released
		}
		d.Reason = pl.startReason(j, nodes, d.Verdict, own)
		pl.begin(j, nodes, d)
		return d
	}
	if own == nil {
		if d.Reason = pl.hopeless(j); d.Reason != "" {
			pl.unserved = append(pl.unserved, j)
			return d
		}
	}
	if q := pl.queue(j.Queue); q.reserved < pl.policy.Reservations && (own == nil || j.firm < eventually) {
		if r := pl.board.earliest(j); r != nil && (own == nil || r.start <= own.start) {
			own = r
		}
		if own != nil {
			q.reserved++
			pl.reserved++
		}
	}
	if own != nil {
		pl.reserve(j, own)
		d.Verdict, d.Nodes = Reserved, own.nodes
		switch own.start {
		case eventually:
		case j.firm:
			d.ReservedStart = j.ReservedStart // which may have passed
		default:
			d.ReservedStart = pl.Now.Add(own.start)
		}
		d.Reason = pl.reservedReason(j, own)
	} else {
		d.Reason = pl.heldReason(j, refused)
	}
	pl.waiting = append(pl.waiting, j)
	pl.blocked = append(pl.blocked, j)
	return d
}

func (pl *planner) begin(j *job, nodes []int, d Decision) {
	pl.decisions[j.index] = d
	pl.started = append(pl.started, j)
	pl.charge(j.Queue, j.request, len(nodes))
	pl.occupants = append(pl.occupants, occupant{nodes, j.request, j.Runtime, &j.name})
	pl.board.start(nodes, j.request, j.p90, &j.name)
}

// schedule puts the decisions in their final order.
func (pl *planner) schedule() Schedule {
	order := make([]Decision, 0, len(pl.jobs))
	for _, j := range pl.started {
		order = append(order, pl.decisions[j.index])
	}
	rest := make([]*Decision, 0, len(pl.jobs)-len(order))
	for _, j := range pl.jobs {
		if d := &pl.decisions[j.index]; !d.Verdict.Starts() {
			rest = append(rest, d)
		}
	}
	slices.SortStableFunc(rest, func(a, b *Decision) int {
		if a.StartP50.IsZero() != b.StartP50.IsZero() {
			return truthFirst(b.StartP50.IsZero())
		}
		return a.StartP50.Compare(b.StartP50)
	})
	for _, d := range rest {
		order = append(order, *d)
	}
	return Schedule{Decisions: order, Unserved: pl.demands()}
}

// demands adds up what the jobs ask for that no node can ever run, by class, the largest
// pods first.
func (pl *planner) demands() []Demand {
	slices.SortFunc(pl.unserved, func(a, b *job) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), slices.Compare(b.request, a.request))
	})
	var demands []Demand
	for _, j := range pl.unserved {
		if n := len(demands); n > 0 && demands[n-1].Class == j.Class && slices.Equal(demands[n-1].Request, j.request) {
			demands[n-1].Pods += j.pods
			continue
		}
		demands = append(demands, Demand{j.Class, j.request, j.pods})
	}
	return demands
}
