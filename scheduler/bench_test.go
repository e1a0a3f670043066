package scheduler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// BenchmarkPlan plans waiting jobs on clusters of 64-core nodes, a quarter of them
// with GPUs, on one core. Every job has requests of its own, as right-sizing makes them.
// The cluster is full or half full. Growth is how many times as long a job takes as with
// a tenth of the jobs.
func BenchmarkPlan(b *testing.B) {
	oneCore(b)
	for _, load := range []struct {
		name string
		part float64
	}{{"full", 1}, {"half", 0.5}} {
		for _, gangs := range []bool{false, true} {
			before := 0.0 // seconds for a job with a tenth of the jobs
			for _, size := range []struct{ nodes, pending int }{{100, 1000}, {1000, 10_000}, {5000, 100_000}} {
				name := fmt.Sprintf("%s/gangs=%t/nodes=%d/pending=%d", load.name, gangs, size.nodes, size.pending)
				s := benchSnapshot(size.nodes, size.pending, load.part, gangs)
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if got := Plan(s, DefaultPolicy()); len(got.Decisions) != size.pending {
							b.Fatal("a job has no decision")
						}
					}
					perJob := b.Elapsed().Seconds() / float64(b.N*size.pending)
					if before > 0 {
						b.ReportMetric(perJob/before, "growth")
					}
					before = perJob
				})
			}
		}
	}
}

// BenchmarkReplan plans again for 10,000 jobs on 1,000 nodes, a second after a plan has
// been carried out: one job has ended, or one has come. There is no forecast, that of the
// plan before is kept, or one is made anew.
func BenchmarkReplan(b *testing.B) {
	oneCore(b)
	s := benchSnapshot(1000, 10_001, 0.5, true)
	last := s.Pending[10_000]
	s.Pending = s.Pending[:10_000]
	schedule := Plan(s, DefaultPolicy())
	var waiting []Pending
	for _, d := range schedule.Decisions {
		j := s.Pending[d.Job]
		if d.Verdict.Starts() {
			s.Running = append(s.Running, Running{ID: j.ID, Request: j.Request, Pods: d.Nodes, Started: s.Now, Remaining: j.Runtime})
			continue
		}
		j.ReservedStart = d.ReservedStart
		if !d.ReservedStart.IsZero() {
			j.ReservedNodes = d.Nodes
		}
		waiting = append(waiting, j)
	}
	s.Pending, s.Forecast = waiting, schedule.Forecast
	s.Now = s.Now.Add(time.Second)
	ended, arrived := s, s
	ended.Running = s.Running[1:]
	arrived.Pending = append(waiting[:len(waiting):len(waiting)], last)
	for _, c := range []struct {
		name string
		Snapshot
	}{{"ended", ended}, {"arrived", arrived}} {
		without := DefaultPolicy()
		without.ForecastEffort = 0
		anew := c.Snapshot
		anew.Forecast = nil
		for _, how := range []struct {
			name string
			s    Snapshot
			p    Policy
		}{{"none", c.Snapshot, without}, {"kept", c.Snapshot, DefaultPolicy()}, {"anew", anew, DefaultPolicy()}} {
			b.Run(c.name+"/forecast="+how.name, func(b *testing.B) {
				for b.Loop() {
					if got := Plan(how.s, how.p); len(got.Decisions) != len(c.Pending) || (got.Forecast == c.Forecast) != (how.name == "kept") {
						b.Fatal("a job has no decision, or the forecast is not the one that was asked for")
					}
				}
			})
		}
	}
}

func oneCore(b *testing.B) {
	was := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(was) })
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
