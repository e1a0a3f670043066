package scheduler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// BenchmarkPlan plans waiting jobs on clusters of 64-core nodes, a quarter of them
// with GPUs. Every job has requests of its own, as right-sizing makes them. The
// cluster is full, half full or empty.
func BenchmarkPlan(b *testing.B) {
	for _, size := range []struct{ nodes, pending int }{{100, 1000}, {1000, 1000}, {1000, 10000}} {
		for _, load := range []struct {
			name string
			part float64
		}{{"full", 1}, {"half", 0.5}, {"empty", 0}} {
			for _, gangs := range []bool{false, true} {
				name := fmt.Sprintf("nodes=%d/pending=%d/%s/gangs=%t", size.nodes, size.pending, load.name, gangs)
				s := benchSnapshot(size.nodes, size.pending, load.part, gangs)
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if got := Plan(s, DefaultPolicy()); len(got.Decisions) != size.pending {
							b.Fatal("a job has no decision")
						}
					}
				})
			}
		}
	}
}

func benchSnapshot(nodes, pending int, load float64, gangs bool) Snapshot {
	rng := rand.New(rand.NewPCG(1, uint64(nodes)))
	s := Snapshot{
		Now:       time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC),
		Resources: []string{"cpu", "memory", "nvidia.com/gpu", "pods"},
		Classes:   [][]bool{make([]bool, nodes), make([]bool, nodes)},
	}
	for n := range nodes {
		node := Node{"n" + strconv.Itoa(n), Vector{64_000, 256 << 30, 0, 110}}
		if n%4 == 0 {
			node.Capacity[2] = 8
		}
		s.Nodes = append(s.Nodes, node)
		s.Classes[0][n] = true
		s.Classes[1][n] = n%4 == 0
	}
	request := func(n int) (Vector, int) {
		v := Vector{500 + rng.Int64N(16_000), 1<<30 + rng.Int64N(48<<30), 0, 1}
		if n%4 == 0 {
			v[2] = 1 + rng.Int64N(4)
			return v, 1
		}
		return v, 0
	}
	runtime := func() predictor.Quantiles[time.Duration] {
		p50 := time.Duration(math.Exp(rng.NormFloat64()*1.5+7)) * time.Second
		return predictor.Quantiles[time.Duration]{P10: p50 / 2, P50: p50, P90: p50 * 2, P99: p50 * 4}
	}
	for n := range nodes {
		free := append(Vector(nil), s.Nodes[n].Capacity...)
		for rng.Float64() < load || load == 1 {
			v, _ := request(n)
			if lacking(free, v) >= 0 {
				break
			}
			add(free, v, -1)
			s.Running = append(s.Running, Running{ID: "r" + strconv.Itoa(len(s.Running)), Request: v, Pods: []int{n}, Started: s.Now, Remaining: runtime()})
		}
	}
	for i := range pending {
		v, class := request(rng.IntN(16))
		j := Pending{ID: strconv.Itoa(i), Name: strconv.Itoa(i), Pods: 1, Request: v, Class: class, Runtime: runtime(),
			Submitted: s.Now.Add(-time.Duration(rng.Int64N(int64(10 * time.Hour)))), Tier: int32(rng.IntN(2))}
		if gangs && i%10 == 0 {
			j.Pods = 2 + rng.IntN(30)
		}
		if i%50 == 0 {
			j.Deadline = s.Now.Add(time.Duration(1+rng.IntN(48)) * time.Hour)
		}
		s.Pending = append(s.Pending, j)
	}
	return s
}
