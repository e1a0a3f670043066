package scheduler

import (
	"cmp"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// What follows is how the order by score is improved: other orders are planned with in
// full, the future is played forward from each over samples of all runtimes, and the one
// is kept with which all that waits waits least. It is a local search that starts from
// orders of other exponents of size, which suit queues of other lengths, and goes on by
// moving single jobs, as long as that brings anything.
const (
	// searchSamples is over how many samples of the runtimes an order is judged: the
	// same for all orders.
	searchSamples = 2
	// searchEffort bounds the work, counted as Policy.ForecastEffort is: some 0.1 s.
	// Queues of thousands leave none for a search.
	searchEffort = 4_000_000
	// playEffort bounds the work of playing one sample of one order.
	playEffort = 500_000
	// walkEffort is what planning takes for each job that waits or runs: measured.
	walkEffort = 200
	// worthwhile is the part of the time still to wait by which another order has to be
	// better than that by score.
	worthwhile = 0.01
	// searchDepth is how many of the first jobs of a tier are moved.
	searchDepth = 32
	// searchPatience is after how many orders in a row that brought nothing the search ends:
	// 4 lose some of the gain on KTH-SP2 and LANL-CM5, 10 and 20 bring none on top.
	searchPatience = 6
)

// searchExponents are tried in place of Policy.SizeExponent, before single jobs are moved.
var searchExponents = []float64{0.5, 0.75, 1}

// search returns a planner that has walked the best order it finds; pl itself, which
// has walked the order by score, if no other is really better.
func (pl *planner) search() *planner {
	work := walkEffort * (len(pl.jobs) + len(pl.Running))
	effort := searchEffort - 3*work // for pl, whose walk is done, for one more, and for the best once more
	if len(pl.waiting) < 2 || !pl.choice || effort < 0 {
		return pl
	}
	least, spent := pl.wait()
	least *= 1 - worthwhile
	effort -= spent
	best := pl
	random := rand.New(rand.NewPCG(1, uint64(len(pl.jobs))))
	idle := 0 // orders since one was for the better
	for n := 0; n < pl.policy.Search && idle < searchPatience && effort > 0; n++ {
		jobs := slices.Clone(best.jobs)
		if n < len(searchExponents) {
			pl.sortBySize(jobs, searchExponents[n])
		} else {
			moveOne(jobs, random)
		}
		idle++
		if slices.Equal(jobs, best.jobs) {
			continue
		}
		other := pl.inOrder(jobs)
		other.trial = true
		other.walk()
		wait, spent := other.wait()
		if wait < least {
			best, least, idle = other, wait, 0
		}
		effort -= work + spent
	}
	if best == pl {
		return pl
	}
	best = pl.inOrder(best.jobs)
	best.walk()
	return best
}

// inOrder returns a planner of the same that is to walk jobs in another order.
func (pl *planner) inOrder(jobs []*job) *planner {
	return newPlanner(pl.Snapshot, pl.policy, pl.board.site, jobs)
}

// sortBySize orders jobs by score with another exponent of size.
func (pl *planner) sortBySize(jobs []*job, exponent float64) {
	score := func(j *job) float64 { return j.score * math.Pow(j.share, exponent-pl.policy.SizeExponent) }
	for part := range interchangeable(jobs) {
		slices.SortStableFunc(part, func(a, b *job) int { return cmp.Compare(score(a), score(b)) })
	}
}

// moveOne moves one of the first jobs of each tier to another place among them.
func moveOne(jobs []*job, random *rand.Rand) {
	for part := range interchangeable(jobs) {
		n := min(len(part), searchDepth)
		from, to := random.IntN(n), random.IntN(n)
		j := part[from]
		copy(part[from:], part[from+1:])
		copy(part[to+1:], part[to:len(part)-1])
		part[to] = j
	}
}

// interchangeable yields the parts of an order in which jobs stand by score: those of a
// tier that are not overdue and whose runtimes are known.
func interchangeable(jobs []*job) iter.Seq[[]*job] {
	return func(yield func([]*job) bool) {
		for tier := range tiers(jobs) {
			from := slices.IndexFunc(tier, func(j *job) bool { return !j.overdue })
			if from < 0 {
				continue
			}
			part := tier[from:]
			if to := slices.IndexFunc(part, func(j *job) bool { return !j.known() }); to >= 0 {
				part = part[:to]
			}
			if len(part) > 0 && !yield(part) {
				return
			}
		}
	}
}

// wait is for how long all jobs together are still to wait, in seconds, over the samples,
// and what it took to tell. A start that cannot be foreseen counts as a year.
func (pl *planner) wait() (seconds float64, spent int) {
	const year = 365 * 24 * time.Hour
	for k := range searchSamples {
		starts, took := pl.play(sample(k), playEffort)
		spent += took
		for _, start := range starts {
			seconds += min(start, year).Seconds()
		}
	}
	return seconds, spent
}

// sample draws a quantile for every job, from its name: the same whatever the order. The
// draws of the samples for one job are spread evenly.
func sample(k int) levels {
	return func(owner *string) float64 {
		h := uint64(14695981039346656037) // FNV-1a
		for i := range len(*owner) {
			h = (h ^ uint64((*owner)[i])) * 1099511628211
		}
		_, u := math.Modf(float64(h>>11)/(1<<53) + float64(k)/searchSamples)
		return u
	}
}
