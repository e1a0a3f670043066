package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// TestSearchAgainstAllOrders holds the search against every order there is of five jobs
// with perfect estimates: it is never worse than the order by score, and much nearer to
// the best.
func TestSearchAgainstAllOrders(t *testing.T) {
	var rule, searched, best float64
	p := DefaultPolicy()
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 11))
		s := Snapshot{Now: time.Unix(1e9, 0), Resources: []string{"cpu"}, Classes: [][]bool{{true, true}}, Nodes: []Node{{"a", Vector{8}}, {"b", Vector{8}}}}
		exactly := func() predictor.Quantiles[time.Duration] {
			return predictor.Exactly(time.Duration(1+rng.IntN(60)) * time.Minute)
		}
		for n := range s.Nodes {
			s.Running = append(s.Running, Running{ID: fmt.Sprint("r", n), Request: Vector{1 + rng.Int64N(8)}, Pods: []int{n}, Started: s.Now, Remaining: exactly()})
		}
		for i := range 5 {
			s.Pending = append(s.Pending, Pending{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Submitted: s.Now, Pods: 1 + rng.IntN(2), Request: Vector{1 + rng.Int64N(8)}, Runtime: exactly()})
		}
		w := newSite(&s)
		walked := func(jobs []*job) *planner {
			pl := newPlanner(&s, p, w, jobs)
			pl.walk()
			return pl
		}
		wait := func(pl *planner) float64 {
			seconds, _ := pl.wait()
			return seconds
		}
		first := walked(newJobs(&s, p, w))
		byRule, bySearch, least := wait(first), wait(first.search()), wait(first)
		permutations(first.jobs, func(jobs []*job) { least = min(least, wait(walked(slices.Clone(jobs)))) })
		if bySearch > byRule || bySearch < least {
			t.Errorf("seed %d: jobs wait %.0f s by the rule, %.0f s by the search, %.0f s at best", seed, byRule, bySearch, least)
		}
		rule, searched, best = rule+byRule, searched+bySearch, best+least
	}
	t.Logf("of the best order's time jobs wait %.1f %% more by score and %.1f %% more after the search", 100*(rule/best-1), 100*(searched/best-1))
	if searched/best-1 > (rule/best-1)/2 {
		t.Error("the search finds less than half of what there is to gain")
	}
}

// permutations calls f with every order of jobs.
func permutations(jobs []*job, f func([]*job)) {
	var permute func(int)
	permute = func(k int) {
		if k == len(jobs) {
			f(jobs)
			return
		}
		for i := k; i < len(jobs); i++ {
			jobs[k], jobs[i] = jobs[i], jobs[k]
			permute(k + 1)
			jobs[k], jobs[i] = jobs[i], jobs[k]
		}
	}
	permute(0)
}

// TestSearchKeepsRanks: whatever is tried, tiers, overdue jobs and those of unknown
// runtime keep their places, and no job is lost.
func TestSearchKeepsRanks(t *testing.T) {
	changed := 0
	for seed := range uint64(2000) {
		s, p := randomCase(rand.New(rand.NewPCG(seed, 13)))
		w := newSite(&s)
		pl := newPlanner(&s, p, w, newJobs(&s, p, w))
		pl.walk()
		pl.policy.Search = 20
		found := pl.search()
		if len(found.jobs) != len(pl.jobs) {
			t.Fatalf("seed %d: %d jobs of %d", seed, len(found.jobs), len(pl.jobs))
		}
		seen := map[*job]bool{}
		for i, j := range found.jobs {
			was := pl.jobs[i]
			if j != was {
				changed++
			}
			if j != was && (j.Tier != was.Tier || j.overdue || was.overdue || !j.known() || !was.known()) {
				t.Errorf("seed %d: job %s stands where %s stood", seed, j.ID, was.ID)
			}
			if seen[j] {
				t.Errorf("seed %d: job %s stands twice", seed, j.ID)
			}
			seen[j] = true
		}
	}
	if changed == 0 {
		t.Error("the search changed nothing anywhere")
	}
}
