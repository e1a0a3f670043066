package sim

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestBoundsHold compares each bound with the best of all schedules of a few small
// jobs, found by trying them all.
func TestBoundsHold(t *testing.T) {
	tight := 0
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 4))
		capacity := int64(1 + rng.IntN(4))
		var tasks []*task
		at := time.Duration(0)
		for i := range 1 + rng.IntN(4) {
			x := &task{Job: &Job{Runtime: time.Duration(1+rng.IntN(4)) * time.Second}, index: i, pods: 1, submitted: at}
			x.request = []int64{rng.Int64N(capacity + 1)}
			tasks = append(tasks, x)
			at += time.Duration(rng.IntN(3)) * time.Second
		}
		best := bestFlow(tasks, capacity, make([]int64, 40))
		got := lowerBound(tasks, []int64{capacity}) * float64(len(tasks))
		if got > best+1e-6 {
			t.Fatalf("seed %d: the bound says %.3f, and %.0f is possible", seed, got, best)
		}
		if got > 0.9*best {
			tight++
		}
		work := workOf(tasks, 0, capacity)
		if a, b, c := squashedArea(work), meanBusyTime(work), priced(work, 0); max(a, b, c) > best+1e-6 {
			t.Fatalf("seed %d: bounds %.3f, %.3f and %.3f, and %.0f is possible", seed, a, b, c, best)
		}
	}
	if tight < 50 {
		t.Errorf("only %d of 150 bounds are within a tenth of the best", tight)
	}
}

// bestFlow tries every start of every job, in whole seconds.
func bestFlow(tasks []*task, capacity int64, used []int64) float64 {
	if len(tasks) == 0 {
		return 0
	}
	x := tasks[0]
	best := math.Inf(1)
	last := len(used) - int(x.Runtime/time.Second)
	for start := int(x.submitted / time.Second); start <= min(last, 20); start++ {
		span := used[start : start+int(x.Runtime/time.Second)]
		fits := true
		for _, u := range span {
			fits = fits && u+x.request[0] <= capacity
		}
		if !fits {
			continue
		}
		for i := range span {
			span[i] += x.request[0]
		}
		flow := float64(start) + x.Runtime.Seconds() - x.submitted.Seconds()
		best = math.Min(best, flow+bestFlow(tasks[1:], capacity, used))
		for i := range span {
			span[i] -= x.request[0]
		}
	}
	return best
}
