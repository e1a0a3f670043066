package scheduler

import (
	"cmp"
	"iter"
	"slices"
)

// A queue is what jobs of one name have of the cluster.
type queue struct {
	weight   float64
	used     []int64 // by jobs of ours that run or start now
	share    float64 // dominant share of used, over weight
	reserved int     // how many of its jobs count for Policy.Reservations
	turn     []*job  // its jobs that are still to have their turn
}

// queue returns that of jobs with the given name; without weights all jobs are of one.
func (pl *planner) queue(name string) *queue {
	if pl.Weights == nil {
		name = ""
	}
	q := pl.queues[name]
	if q == nil {
		q = &queue{weight: 1, used: make([]int64, pl.board.dims)}
		if w := pl.Weights[name]; w > 0 {
			q.weight = w
		}
		pl.queues[name] = q
	}
	return q
}

// charge counts pods to a queue.
func (pl *planner) charge(name string, request []int64, pods int) {
	if pl.Weights == nil {
		return
	}
	q := pl.queue(name)
	add(q.used, request, int32(pods))
	q.share = share(q.used, 1, pl.board.total) / q.weight
}

// turns yields the jobs of one tier, which are in planned order, in their turn: always
// the next of the queue that has the least share of the cluster for its weight by then
// (dominant-resource fairness: Ghodsi et al., NSDI 2011). It ends with all of them.
func (pl *planner) turns(jobs []*job) iter.Seq[*job] {
	return func(yield func(*job) bool) {
		var queues []*queue
		for _, j := range jobs {
			q := pl.queue(j.Queue)
			if len(q.turn) == 0 {
				queues = append(queues, q)
			}
			q.turn = append(q.turn, j)
		}
		for len(queues) > 0 {
			next := slices.MinFunc(queues, func(a, b *queue) int {
				return cmp.Or(cmp.Compare(a.share, b.share), ahead(a.turn[0], b.turn[0]))
			})
			j := next.turn[0]
			next.turn = next.turn[1:]
			if len(next.turn) == 0 {
				queues = slices.DeleteFunc(queues, func(q *queue) bool { return q == next })
			}
			if !yield(j) {
				return
			}
		}
	}
}

// inTurns returns waiting jobs as they would have their turn if those before had started.
func (pl *planner) inTurns(jobs []*job) []*job {
	if pl.Weights == nil {
		return jobs
	}
	order := make([]*job, 0, len(jobs))
	for tier := range tiers(jobs) {
		for j := range pl.turns(tier) {
			order = append(order, j)
			pl.charge(j.Queue, j.request, j.pods)
		}
	}
	return order
}

// tiers splits jobs, which are in planned order, where the tier changes.
func tiers(jobs []*job) iter.Seq[[]*job] {
	return func(yield func([]*job) bool) {
		for len(jobs) > 0 {
			n := 1
			for n < len(jobs) && jobs[n].Tier == jobs[0].Tier {
				n++
			}
			if !yield(jobs[:n]) {
				return
			}
			jobs = jobs[n:]
		}
	}
}
