package scheduler

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// A job is a Pending as the plan works with it.
type job struct {
	*Pending
	index   int           // in Snapshot.Pending
	name    string        // namespace/name, for reasons
	pods    int           // at least 1
	request []int64       // of one pod, dense
	share   float64       // of the whole cluster, by its dominant resource
	part    float64       // of the largest node, one pod, by its dominant resource
	large   bool          // part is at least Policy.LargeShare
	p90     time.Duration // planned runtime; eventually if unknown
	early   time.Duration // not before; <= 0 is now
	firm    time.Duration // the start to be kept; eventually if none, 0 if due
	own     *reservation  // whose promises do not bind it; nil if it has none on the board

	// Place in the order.
	overdue bool
	score   float64
}

func (j *job) known() bool { return !j.Runtime.IsZero() }

// mean is the expected runtime that orders a known job.
func (j *job) mean() time.Duration {
	if j.Mean > 0 {
		return j.Mean
	}
	return j.Runtime.P50
}

// newJobs returns the pending jobs in planned order: higher tiers first; within
// a tier the overdue in order of submission, then those of known runtime by score
// = runtime × share^a / (1 + wait/T), T stretched as Policy.AgeingTime says, then those of
// unknown runtime in order of submission. Ties go by submission, then by ID.
func newJobs(s *Snapshot, p Policy, w *site) []*job {
	slab := make([]job, len(s.Pending))
	requests := make([]int64, len(s.Pending)*w.dims)
	jobs := make([]*job, len(s.Pending))
	backlog := 0.0 // how long the whole cluster would take for what waits
	for i := range s.Pending {
		j := &slab[i]
		jobs[i] = j
		j.Pending = &s.Pending[i]
		j.index = i
		j.name = jobName(j.Pending)
		j.pods = max(j.Pods, 1)
		j.request = w.fill(w.of(requests, int32(i)), j.Request)
		j.share = share(j.request, j.pods, w.total)
		j.part = share(j.request, 1, w.largest)
		j.large = j.part >= p.LargeShare
		j.p90 = eventually
		if j.known() {
			j.p90 = max(j.Runtime.P90, 0)
		}
		if !j.EarliestStart.IsZero() {
			j.early = j.EarliestStart.Sub(s.Now)
		}
		j.firm = w.firmStart(j, s.Now, p.FirmWithin)
		backlog += float64(j.work()) // whole numbers: their order does not matter
	}
	patience := p.OverdueAfter * float64(p.AgeingTime)
	stretch := 1.0
	if backlog > patience {
		stretch = min(backlog/patience, longestStretch)
	}
	for _, j := range jobs {
		wait := float64(max(s.Now.Sub(j.Submitted), 0)) / stretch
		j.overdue = wait >= patience
		j.score = math.Inf(1)
		if j.known() {
			j.score = j.mean().Seconds() * math.Pow(j.share, p.SizeExponent) / (1 + wait/float64(p.AgeingTime))
		}
	}
	slices.SortFunc(jobs, ahead)
	return jobs
}

// longestStretch is how many times as long a long queue may make T. Without it a cluster
// that never catches up would keep wide jobs waiting for ever; twice as much is no better
// on overloaded logs.
const longestStretch = 7

// work is how long the whole cluster would take for j; 0 if that is unknown or it is
// too large to run.
func (j *job) work() time.Duration {
	if !j.known() || j.share > 1 || j.part > 1 {
		return 0
	}
	return time.Duration(float64(max(j.mean(), 0)) * j.share)
}

// firmStart is the reserved start that this plan is to keep: 0 if it has come,
// eventually if there is none.
func (w *site) firmStart(j *job, now time.Time, within time.Duration) time.Duration {
	start := j.ReservedStart.Sub(now)
	if j.ReservedStart.IsZero() || start.Abs() >= within || j.early > 0 || !j.known() {
		return eventually
	}
	if j.ReservedNodes != nil && len(j.ReservedNodes) != j.pods {
		return eventually
	}
	for _, n := range j.ReservedNodes {
		if n < 0 || n >= len(w.nodes) || !w.allows(j.Class, int32(n)) {
			return eventually
		}
	}
	return max(start, 0)
}

// ahead compares two jobs by planned order.
func ahead(a, b *job) int {
	if c := cmp.Compare(b.Tier, a.Tier); c != 0 {
		return c
	}
	if a.overdue != b.overdue {
		return truthFirst(a.overdue)
	}
	bySubmission := a.Submitted.Compare(b.Submitted)
	if a.overdue && bySubmission != 0 {
		return bySubmission
	}
	if a.known() != b.known() {
		return truthFirst(a.known())
	}
	if c := cmp.Compare(a.score, b.score); c != 0 {
		return c
	}
	return cmp.Or(bySubmission, strings.Compare(a.ID, b.ID), cmp.Compare(a.index, b.index))
}

func truthFirst(a bool) int {
	if a {
		return -1
	}
	return 1
}
