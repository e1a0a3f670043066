package sim

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// started gives jobs the starts that a policy gave them.
func started(t *testing.T, jobs []Job, c Cluster, policy string) ([]Job, Result) {
	t.Helper()
	r, err := Run(Config{Cluster: c, Jobs: jobs, Policy: policy, Predictor: oracle{}})
	if err != nil {
		t.Fatal(err)
	}
	jobs = slices.Clone(jobs)
	for i, e := range r.Schedule {
		jobs[i].Started = e.Start
	}
	return jobs, r
}

// TestAsItWas: what a history is made of comes back from it, and on the nodes that it
// shows the same jobs never wait longer for lack of room than they did.
func TestAsItWas(t *testing.T) {
	real := nodes(t, NodeGroup{Name: "c", Count: 3, CPUCores: 16, Memory: 32 * predictor.GiB, GPUs: 4})
	for seed := range uint64(10) {
		jobs, want := started(t, randomJobs(rand.New(rand.NewPCG(seed, 11)), 150), real, "greedy")
		groups, err := NodesUsed(jobs)
		if err != nil {
			t.Fatal(err)
		}
		shown := nodes(t, groups...)
		got, err := AsItWas(shown, jobs)
		if err != nil {
			t.Fatal(err)
		}
		if got.Measures != want.Measures || got.Makespan != want.Makespan {
			t.Errorf("seed %d: %+v came of %+v", seed, got.Measures, want.Measures)
		}
		for r, c := range shown.total() {
			if c > 4*real.total()[r] {
				t.Errorf("seed %d: %v are shown to have %d of resource %d, the real ones have %d", seed, groups, c, r, real.total()[r])
			}
		}
		again, err := Run(Config{Cluster: shown, Jobs: jobs, Policy: "greedy", Predictor: oracle{}})
		if err != nil {
			t.Fatal(err)
		}
		if again.Unfit > 0 || again.MeanWait > 1.5*want.MeanWait {
			t.Errorf("seed %d: on %v %d jobs do not fit, and the mean wait is %.0f s, not %.0f s", seed, groups, again.Unfit, again.MeanWait, want.MeanWait)
		}
	}
	jobs := randomJobs(rand.New(rand.NewPCG(1, 11)), 5)
	if _, err := NodesUsed(jobs); !errors.Is(err, ErrNoStarts) {
		t.Errorf("nodes of jobs that never started: %v", err)
	}
	if _, err := AsItWas(real, jobs); !errors.Is(err, ErrNoStarts) {
		t.Errorf("the history of jobs that never started: %v", err)
	}
}

// TestTeach: only what had ended teaches, in the order in which it ended.
func TestTeach(t *testing.T) {
	jobs := make([]Job, 3)
	for i, m := range []time.Duration{50, 10, 45} { // ends at 0:50, 0:20, 1:05
		jobs[i] = *job(string(rune('a'+i)), "u", "n", m*time.Minute, 0)
		jobs[i].Submitted = epoch.Add(time.Duration(i) * 10 * time.Minute)
		jobs[i].Started = jobs[i].Submitted
	}
	earlier, later := Since(jobs, epoch.Add(20*time.Minute))
	if len(earlier) != 2 || len(later) != 1 {
		t.Fatalf("cut into %d and %d", len(earlier), len(later))
	}
	p := &last2{request{runs{}}}
	if err := Teach(p, jobs, epoch.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := p.runs["1u"]; !slices.Equal(got, []time.Duration{10 * time.Minute, 50 * time.Minute}) {
		t.Errorf("learned %v", got)
	}
}
