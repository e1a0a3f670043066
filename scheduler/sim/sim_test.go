package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

var epoch = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

// TestConformance is the backfill case of NVIDIA's knavigator. EASY holds B2,
// which would end after A's reserved start, and starts C at 40 s and A at 90 s.
func TestConformance(t *testing.T) {
	job := func(id string, submit, cpu, runtime int) Job {
		j := Job{Runtime: time.Duration(runtime) * time.Second}
		j.ID, j.Name, j.Submitted = id, id, epoch.Add(time.Duration(submit)*time.Second)
		j.Requests.CPUCores = float64(cpu)
		return j
	}
	jobs := []Job{job("B1", 0, 50, 90), job("A", 10, 60, 60), job("B2", 30, 50, 90), job("C", 40, 50, 30)}
	for _, cluster := range []Cluster{Processors(100), nodes(t, NodeGroup{Name: "n", CPUCores: 100})} {
		r := mustRun(t, Config{Cluster: cluster, Jobs: jobs, Policy: "easy", Predictor: oracle{}})
		for i, want := range []time.Duration{0, 90, 150, 40} {
			if got := r.tasks[i].start; got != want*time.Second {
				t.Errorf("%s: %s starts at %v, not at %v s", cluster.resources[0], jobs[i].ID, got, int(want))
			}
		}
	}
}

func nodes(t testing.TB, groups ...NodeGroup) Cluster {
	t.Helper()
	c, err := NewCluster(groups)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mustRun plays a simulation and checks what must hold of every schedule.
func mustRun(t testing.TB, c Config) *run {
	t.Helper()
	r, err := newRun(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.play(); err != nil {
		t.Fatal(err)
	}
	checkSchedule(t, r)
	return r
}

// checkSchedule checks that every job ran once, for its runtime, not before it
// was submitted, on nodes it may use, and that no node ever held more than it can.
func checkSchedule(t testing.TB, r *run) {
	t.Helper()
	type event struct {
		at   time.Duration
		sign int64
		*task
	}
	var events []event
	for _, x := range r.tasks {
		if !x.started || x.start < x.submitted || x.end != x.start+x.Runtime {
			t.Fatalf("%s: job %s ran from %v to %v, submitted at %v, runtime %v", r.Policy, x.ID, x.start, x.end, x.submitted, x.Runtime)
		}
		if x.EarliestStart.After(r.begin.Add(x.start)) {
			t.Fatalf("%s: job %s started before its time", r.Policy, x.ID)
		}
		if x.nodes == nil {
			for range x.pods {
				x.nodes = append(x.nodes, 0)
			}
		}
		if len(x.nodes) != x.pods {
			t.Fatalf("%s: job %s has %d pods on %d nodes", r.Policy, x.ID, x.pods, len(x.nodes))
		}
		events = append(events, event{x.start, 1, x}, event{x.end, -1, x})
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.sign, b.sign)) })
	used := make([][]int64, len(r.Cluster.nodes))
	for n := range used {
		used[n] = make([]int64, len(r.Cluster.resources))
	}
	for _, e := range events {
		for _, n := range e.nodes {
			if !r.classes[e.class][n] {
				t.Fatalf("%s: job %s on node %d, which it may not use", r.Policy, e.ID, n)
			}
			for k, q := range e.request {
				used[n][k] += e.sign * q
				if used[n][k] > r.Cluster.nodes[n].Capacity[k] {
					t.Fatalf("%s: node %d is over its capacity at %v", r.Policy, n, e.at)
				}
			}
		}
	}
}

// randomJobs makes a crowd for a few nodes of 16 cores and 4 GPUs.
func randomJobs(rng *rand.Rand, n int) []Job {
	jobs := make([]Job, n)
	at := epoch
	for i := range jobs {
		at = at.Add(time.Duration(rng.IntN(120)) * time.Second)
		j := &jobs[i]
		j.ID, j.Name, j.User, j.Submitted = strconv.Itoa(i), "app"+strconv.Itoa(rng.IntN(5)), "u"+strconv.Itoa(rng.IntN(4)), at
		j.Pods = 1 + rng.IntN(3)*rng.IntN(2)
		j.Requests = predictor.Resources{CPUCores: float64(1 + rng.IntN(12)), Memory: predictor.Bytes(rng.IntN(8)) * predictor.GiB}
		if rng.IntN(4) == 0 {
			j.Requests.GPUs = float64(1 + rng.IntN(4))
		}
		j.Runtime = time.Duration(1+rng.ExpFloat64()*300) * time.Second
		j.RuntimeLimit = j.Runtime * time.Duration(1+rng.IntN(5))
		j.Priority = int32(rng.IntN(2))
		if rng.IntN(10) == 0 {
			j.EarliestStart = at.Add(time.Duration(rng.IntN(3600)) * time.Second)
		}
		if rng.IntN(10) == 0 {
			j.Deadline = at.Add(time.Duration(rng.IntN(3600)) * time.Second)
		}
	}
	return jobs
}

func TestEveryPolicyRunsEveryJob(t *testing.T) {
	cluster := nodes(t, NodeGroup{Name: "c", Count: 3, CPUCores: 16, Memory: 32 * predictor.GiB},
		NodeGroup{Name: "g", Count: 3, CPUCores: 16, Memory: 32 * predictor.GiB, GPUs: 4})
	for seed := range uint64(4) {
		jobs := randomJobs(rand.New(rand.NewPCG(seed, 1)), 120)
		bound, err := LowerBound(Processors(64), jobs)
		if err != nil {
			t.Fatal(err)
		}
		for _, policy := range Policies {
			for _, predictor := range []string{"oracle", "request", "last2", "noise:0.8"} {
				p, err := NewPredictor(predictor, seed)
				if err != nil {
					t.Fatal(err)
				}
				c := Config{Cluster: cluster, Jobs: jobs, Policy: policy, Predictor: p}
				if policy != "fcfs" && policy != "greedy" && policy != "easy" && policy != "runcast" {
					c.Cluster = Processors(64)
					c.Jobs = slices.Clone(jobs)
					for i := range c.Jobs {
						c.Jobs[i].EarliestStart = time.Time{}
					}
				}
				if policy == "fcfs" || policy == "greedy" || policy == "easy" || policy == "runcast" {
					mustRun(t, c)
					c.Cluster = Processors(64)
					c.Jobs = slices.Clone(jobs)
					for i := range c.Jobs {
						c.Jobs[i].EarliestStart = time.Time{}
					}
				}
				r := mustRun(t, c)
				if res := r.result(); bound > res.MeanFlow*(1+1e-9) {
					t.Errorf("seed %d, %s: mean flow %.1f is below the lower bound %.1f", seed, policy, res.MeanFlow, bound)
				}
			}
		}
	}
}

// TestEasyTwice compares EASY as the classic policies know it with EASY by
// scheduler.Plan on a single node, start by start.
func TestEasyTwice(t *testing.T) {
	plain := scheduler.DefaultPolicy()
	plain.ForecastEffort = 0
	for seed := range uint64(20) {
		jobs := randomJobs(rand.New(rand.NewPCG(seed, 2)), 100)
		for i := range jobs {
			j := &jobs[i]
			j.Requests.Memory, j.Requests.GPUs, j.Priority = 0, 0, 0
			j.EarliestStart, j.Deadline = time.Time{}, time.Time{}
			j.Submitted = j.Submitted.Add(time.Duration(i)) // Plan breaks ties by ID
		}
		for _, predictor := range []string{"oracle", "request", "last2"} {
			p, _ := NewPredictor(predictor, 1)
			classic := mustRun(t, Config{Cluster: Processors(40), Jobs: jobs, Policy: "easy", Predictor: p})
			p, _ = NewPredictor(predictor, 1)
			plan := mustRun(t, Config{Cluster: nodes(t, NodeGroup{Name: "n", CPUCores: 40}), Jobs: jobs, Policy: "easy", Predictor: p, Plan: plain})
			for i := range classic.tasks {
				if a, b := classic.tasks[i].start, plan.tasks[i].start; a != b {
					t.Fatalf("seed %d, %s: job %d starts at %v by the classic policy, at %v by Plan", seed, predictor, i, a, b)
				}
			}
		}
	}
}

// TestNobodyStarves floods the cluster with short jobs, more than it can ever
// run, while a long wide one waits.
func TestNobodyStarves(t *testing.T) {
	var jobs []Job
	for i := range 900 {
		j := Job{Runtime: 100 * time.Second}
		j.ID, j.Submitted, j.Requests.CPUCores = strconv.Itoa(i), epoch.Add(time.Duration(i)*20*time.Second), 8
		if i == 200 {
			j.ID, j.Runtime, j.Requests.CPUCores, j.Pods = "wide", 5000*time.Second, 16, 2
		}
		jobs = append(jobs, j)
	}
	cluster := nodes(t, NodeGroup{Name: "w", Count: 2, CPUCores: 16})
	start := func(p scheduler.Policy, predictor string) time.Duration {
		pr, err := NewPredictor(predictor, 3)
		if err != nil {
			t.Fatal(err)
		}
		r := mustRun(t, Config{Cluster: cluster, Jobs: jobs, Policy: "runcast", Predictor: pr, Plan: p})
		return r.tasks[200].start - r.tasks[200].submitted
	}
	p := scheduler.DefaultPolicy()
	p.AgeingTime, p.OverdueAfter, p.ForecastEffort = 10*time.Minute, 2, 0
	for _, predictor := range []string{"oracle", "noise:1"} {
		// After 2 × 7 × 10 minutes at most it is at the head, and waits for what runs then.
		if wait := start(p, predictor); wait > 140*time.Minute+15*time.Minute {
			t.Errorf("%s: the wide job waited for %v", predictor, wait)
		}
	}
	p.OverdueAfter, p.AgeingTime = 1e9, 1e6*time.Hour
	if wait := start(p, "oracle"); wait < 4*time.Hour {
		t.Errorf("without ageing it waited for %v only: the test proves nothing", wait)
	}
}

// TestDeadlines: with a deadline that leaves room, jobs that would be late in
// plain order are not.
func TestDeadlines(t *testing.T) {
	late := func(deadlines bool) int {
		n := 0
		for seed := range uint64(10) {
			rng := rand.New(rand.NewPCG(seed, 5))
			jobs := randomJobs(rng, 200)
			due := map[string]time.Time{}
			for i := range jobs {
				j := &jobs[i]
				j.Priority, j.EarliestStart, j.Deadline = 0, time.Time{}, time.Time{}
				if i%20 == 0 {
					j.Requests = predictor.Resources{CPUCores: 16, Memory: predictor.GiB}
					j.Runtime, j.RuntimeLimit = 20*time.Minute, 0
					due[j.ID] = j.Submitted.Add(45 * time.Minute)
					if deadlines {
						j.Deadline = due[j.ID]
					}
				}
			}
			r := mustRun(t, Config{Cluster: nodes(t, NodeGroup{Name: "n", Count: 6, CPUCores: 16, Memory: 64 * predictor.GiB, GPUs: 4}),
				Jobs: jobs, Policy: "runcast", Predictor: oracle{}})
			for _, x := range r.tasks {
				if d, ok := due[x.ID]; ok && r.begin.Add(x.end).After(d) {
					n++
				}
			}
		}
		return n
	}
	with, without := late(true), late(false)
	t.Logf("of 100 jobs due in 45 minutes, %d are late without a deadline and %d with", without, with)
	if with*4 > without {
		t.Errorf("%d jobs are late with a deadline, %d without", with, without)
	}
}

// TestPlanningPays: on nodes with several resources the plan gets all jobs done in
// far less time than order of submission, and a second run is the same.
func TestPlanningPays(t *testing.T) {
	cluster := nodes(t, NodeGroup{Name: "n", Count: 3, CPUCores: 16, Memory: 64 * predictor.GiB, GPUs: 4})
	flow := func(policy, name string, jobs []Job) float64 {
		p, err := NewPredictor(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		return mustRun(t, Config{Cluster: cluster, Jobs: jobs, Policy: policy, Predictor: p}).result().MeanFlow
	}
	var sum [4]float64
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 6))
		jobs := randomJobs(rng, 200)
		for i := range jobs {
			jobs[i].Runtime = time.Duration(math.Exp(4.5+1.7*rng.NormFloat64())+1) * time.Second // as those of clusters are
			jobs[i].RuntimeLimit = 0
			jobs[i].EarliestStart, jobs[i].Deadline, jobs[i].Priority = time.Time{}, time.Time{}, 0
		}
		for i, c := range [4][2]string{{"fcfs", "oracle"}, {"greedy", "oracle"}, {"runcast", "noise:0.5"}, {"runcast", "oracle"}} {
			sum[i] += flow(c[0], c[1], jobs) / 5
		}
		if a, b := flow("runcast", "noise:1", jobs), flow("runcast", "noise:1", jobs); a != b {
			t.Errorf("seed %d: mean flow %v, and %v when run again", seed, a, b)
		}
	}
	t.Logf("mean flow: fcfs %.0f s, greedy %.0f s, runcast %.0f s with noise, %.0f s with perfect estimates", sum[0], sum[1], sum[2], sum[3])
	if sum[2] > 0.8*sum[1] || sum[3] > 1.02*sum[2] || sum[1] > sum[0] {
		t.Error("planning does not pay")
	}
}
