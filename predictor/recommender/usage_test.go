package recommender

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runcast/runcast/predictor"
)

// TestCheapest compares with a twin that adds up the cost of each value by itself.
func TestCheapest(t *testing.T) {
	const seed = 9
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 500 {
		now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
		var samples []predictor.ContainerUsage
		for i := range 1 + r.IntN(40) {
			samples = append(samples, predictor.ContainerUsage{End: now.Add(time.Duration(i-40) * time.Hour), CPUCores: float64(r.IntN(20)+1) / 4})
		}
		ls := levels(samples, now, func(u *predictor.ContainerUsage) float64 { return u.CPUCores })
		cost := func(request float64) (cost float64) {
			var total, used float64
			for _, l := range ls {
				total += l.weight
				used += l.weight * l.value
			}
			for _, l := range ls {
				if l.value <= request {
					cost += l.weight * (request - l.value)
				} else {
					cost += l.weight * shortage * used / total
				}
			}
			return cost
		}
		best := math.Inf(1)
		for _, l := range ls {
			best = min(best, cost(l.value))
		}
		if got := cost(cheapest(ls)); got > best*(1+1e-9)+1e-9 {
			t.Fatalf("seed %d, case %d: %g costs %g, the least is %g", seed, n, cheapest(ls), got, best)
		}
	}
}

// TestUsageProperties holds the needs of random usage to what a Need promises, memory
// to all that was seen, and both to grow with what is used.
func TestUsageProperties(t *testing.T) {
	const seed = 10
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 500 {
		now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
		count := 1 + r.IntN(2304)
		var samples, doubled []predictor.ContainerUsage
		var largest predictor.Bytes
		for i := range count {
			u := predictor.ContainerUsage{End: now.Add(time.Duration(i-count+1) * UsageInterval), CPUCores: 4 * r.Float64(), Memory: predictor.Bytes(r.Int64N(4 * gib))}
			samples = append(samples, u)
			largest = max(largest, u.Memory)
			u.CPUCores, u.Memory = 2*u.CPUCores, 2*u.Memory
			doubled = append(doubled, u)
		}
		for name, need := range map[string]func([]predictor.ContainerUsage, time.Time) (Need, bool){"cpu": cpuNeed, "memory": memoryNeed} {
			one, ok := need(samples, now)
			two, _ := need(doubled, now)
			if !ok && largest == 0 {
				continue
			}
			if one.Lower < 0 || one.Lower > one.Target || one.Target > one.Upper {
				t.Fatalf("seed %d, case %d: %s %+v", seed, n, name, one)
			}
			if two.Target < one.Target || two.Lower < one.Lower || two.Upper < one.Upper {
				t.Fatalf("seed %d, case %d: %s %+v, of twice the use %+v", seed, n, name, one, two)
			}
			if name == "memory" && one.Target < int64(largest) {
				t.Fatalf("seed %d, case %d: memory %+v, %d were used", seed, n, one, largest)
			}
		}
	}
}

// Pods that began in the first interval have used little in it.
func TestFirstIntervalDoesNotCount(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	usage := func(n int, cores float64, memory predictor.Bytes) predictor.ContainerUsage {
		return predictor.ContainerUsage{Container: "web", End: begin.Add(time.Duration(n) * UsageInterval), CPUCores: cores, Memory: memory}
	}
	w := workload{usage: map[string][]predictor.ContainerUsage{}}
	w.take([]predictor.ContainerUsage{usage(1, 0.05, 1<<20)}, begin.Add(UsageInterval))
	if needs, _ := w.needs(); len(needs) > 0 {
		t.Errorf("needs %v by the first interval", needs)
	}
	w.take([]predictor.ContainerUsage{usage(2, 0.5, 1<<30)}, begin.Add(2*UsageInterval))
	needs, _ := w.needs()
	if cpu, memory := needs["web"][corev1.ResourceCPU], needs["web"][corev1.ResourceMemory]; cpu.Lower < 500 || memory.Lower < 1<<30 {
		t.Errorf("at least %d millicores and %d bytes, of 500 and 1 GiB", cpu.Lower, memory.Lower)
	}
}
