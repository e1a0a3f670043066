package sim

import (
	"cmp"
	"math"
	"slices"
)

// LowerBound returns a mean flow time, in seconds, below which no schedule of the jobs
// is that preempts nothing, even with perfect knowledge of the future. Jobs that fit
// no node do not count; ErrNoJobs if no other is left. It takes about a second.
func LowerBound(c Cluster, jobs []Job) (float64, error) {
	r, err := newRun(Config{Cluster: c, Jobs: jobs, Policy: "fcfs"})
	if err != nil {
		return 0, err
	}
	return lowerBound(r.tasks, c.total()), nil
}

// lowerBound is the largest of several lower bounds. With several resources each
// gives bounds of its own.
func lowerBound(tasks []*task, total []int64) float64 {
	var runtimes float64
	for _, t := range tasks {
		runtimes += t.Runtime.Seconds()
	}
	best := runtimes // nobody ends sooner than after its runtime
	for r, capacity := range total {
		if capacity > 0 {
			work := workOf(tasks, r, capacity)
			best = math.Max(best, math.Max(squashedArea(work), meanBusyTime(work)))
			best = math.Max(best, priced(work, best))
		}
	}
	return best / float64(len(tasks))
}

// A piece is a job as one machine sees it that does the work of all nodes.
type piece struct {
	release, runtime float64 // seconds
	size             float64 // seconds the whole machine takes for it
	left             float64
}

// workOf returns the pieces in order of release.
func workOf(tasks []*task, resource int, capacity int64) []*piece {
	work := make([]*piece, len(tasks))
	for i, t := range tasks {
		work[i] = &piece{release: t.submitted.Seconds(), runtime: t.Runtime.Seconds()}
		work[i].size = work[i].runtime * float64(t.request[resource]) * float64(t.pods) / float64(capacity)
	}
	return work
}

// squashedArea is the sum of flow times of the preemptive schedule that always
// works on what is nearest to its end: optimal on one machine.
func squashedArea(work []*piece) float64 {
	var sum float64
	preempt(work, func(p *piece) float64 { return p.left }, func(p *piece, from, to float64) {
		if p.left == 0 {
			sum += to - p.release
		}
	})
	return sum
}

// meanBusyTime is the bound of Goemans et al. (SIAM J. Discrete Math. 15, 2002):
// a job that is not preempted ends half its runtime after the mean time at which it
// is worked on, and the preemptive schedule by size has the least sum of those.
func meanBusyTime(work []*piece) float64 {
	var sum float64
	for _, p := range work {
		sum += p.runtime/2 - p.release
		if p.size == 0 {
			sum += p.release + p.runtime/2
		}
	}
	preempt(work, func(p *piece) float64 { return p.size }, func(p *piece, from, to float64) {
		if p.size > 0 {
			sum += (to - from) * (to + from) / 2 / p.size
		}
	})
	return sum
}

// preempt works on the released piece with the least key, and calls did for every
// stretch of work.
func preempt(work []*piece, key func(*piece) float64, did func(p *piece, from, to float64)) {
	for _, p := range work {
		p.left = p.size
	}
	var queue pieces
	now := 0.0
	for next := 0; next < len(work) || len(queue) > 0; {
		if len(queue) == 0 {
			now = math.Max(now, work[next].release)
		}
		for next < len(work) && work[next].release <= now {
			queue.push(key(work[next]), work[next])
			next++
		}
		p := queue[0].piece
		end := now + p.left
		if next < len(work) && work[next].release < end {
			end = work[next].release
			p.left -= end - now
			queue[0].key = key(p) // it only gets smaller, and stays first
		} else {
			p.left = 0
			queue.pop()
		}
		did(p, now, end)
		now = end
	}
}

// pieces is a heap by key.
type pieces []keyed

type keyed struct {
	key   float64
	piece *piece
}

func (h *pieces) push(key float64, p *piece) {
	s := append(*h, keyed{key, p})
	for i := len(s) - 1; i > 0 && s[(i-1)/2].key > s[i].key; i = (i - 1) / 2 {
		s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
	}
	*h = s
}

func (h *pieces) pop() {
	s := *h
	last := len(s) - 1
	s[0] = s[last]
	s = s[:last]
	for i := 0; 2*i+1 < last; {
		least := slices.MinFunc([]int{2*i + 1, min(2*i+2, last-1)}, func(a, b int) int { return cmp.Compare(s[a].key, s[b].key) })
		if s[i].key <= s[least].key {
			break
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
	*h = s
}
