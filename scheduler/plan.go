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
	pl.findWide()
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
	large        []*job                // those with large pods, largest first
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

// settle puts what runs on the board, first what is bound to nodes, then the pods
// that have been released and are not bound yet.
func (pl *planner) settle() {
	var loose []*Running
	for i := range pl.Running {
		r := &pl.Running[i]
		request := pl.board.dense(r.Request)
		nodes := make([]int, 0, len(r.Pods))
		for _, n := range r.Pods {
			if n >= 0 && n < len(pl.Nodes) {
				nodes = append(nodes, n)
			}
		}
		if len(nodes) < len(r.Pods) {
			loose = append(loose, r)
		}
		slices.Sort(nodes)
		pl.occupy(r, nodes, request)
	}
	for _, r := range loose {
		for _, n := range r.Pods {
			if n < 0 || n >= len(pl.Nodes) {
				pl.settlePod(r)
			}
		}
	}
}

// occupy puts pods of a running job on the board.
func (pl *planner) occupy(r *Running, nodes []int, request []int64) {
	if r.Foreign {
		each(nodes, func(n, pods int32) {
			pl.board.add(n, request, -pods)
			add(pl.board.of(pl.lasting, n), request, -pods)
		})
		return
	}
	pl.charge(r.Queue, request, len(nodes))
	pl.occupants = append(pl.occupants, occupant{nodes, request, r.Remaining, &r.ID})
	pl.board.start(nodes, request, restOf(r), &r.ID)
}

// settlePod finds room for one pod that kube-scheduler has yet to bind, now or as
// early as possible: on a node that the pod prefers, if there is room. If there never
// is any, the pod takes none from others.
func (pl *planner) settlePod(r *Running) {
	j := &job{Pending: &Pending{ID: r.ID, Class: r.Class, Runtime: r.Remaining}, name: trimID(r.ID),
		pods: 1, request: pl.board.dense(r.Request), p90: restOf(r)}
	j.part = share(j.request, 1, pl.board.largest)
	j.large = j.part >= pl.policy.LargeShare
	for i, n := range r.Preferred {
		if nodes := r.Preferred[i : i+1]; n >= 0 && n < len(pl.Nodes) && pl.board.allows(r.Class, int32(n)) && pl.board.has(nodes, j.request) {
			pl.occupy(r, nodes, j.request)
			return
		}
	}
	if nodes, _ := pl.board.place(j, j.p90); nodes != nil {
		pl.occupy(r, nodes, j.request)
	} else if res := pl.board.earliest(j); res != nil && !r.Foreign {
		res.name = j.name
		pl.board.keep(res)
	}
}

// restOf is the time until which a running job is planned to run: an overrun
// extends the plan, so it is never now.
func restOf(r *Running) time.Duration {
	if r.Foreign || r.Remaining.IsZero() {
		return eventually
	}
	return max(r.Remaining.P90, 1)
}

// findWide keeps the board's widest waiting job up to date: called before the
// first start and whenever that job starts.
func (pl *planner) findWide() {
	if pl.large == nil {
		for _, j := range pl.jobs {
			if j.large && j.early <= 0 && pl.board.fitAll(pl.lasting, pl.board.class(j.Class), j.request, j.pods) {
				pl.large = append(pl.large, j)
			}
		}
		slices.SortStableFunc(pl.large, func(a, b *job) int { return cmp.Compare(b.part, a.part) })
	}
	pl.board.wide = nil
	for len(pl.large) > 0 && pl.decisions[pl.large[0].index].Verdict.Starts() {
		pl.large = pl.large[1:]
	}
	if len(pl.large) > 0 {
		pl.board.wide = pl.large[0]
	}
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

func (pl *planner) begin(j *job, nodes []int, d Decision) {
	pl.decisions[j.index] = d
	pl.started = append(pl.started, j)
	pl.charge(j.Queue, j.request, len(nodes))
	pl.occupants = append(pl.occupants, occupant{nodes, j.request, j.Runtime, &j.name})
	pl.board.start(nodes, j.request, j.p90, &j.name)
	if pl.board.wide == j {
		pl.findWide()
	}
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
