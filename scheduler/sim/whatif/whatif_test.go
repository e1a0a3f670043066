package whatif_test

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor/report/page/pagetest"
	"github.com/runcast/runcast/scheduler/sim"
	"github.com/runcast/runcast/scheduler/sim/whatif"
)

var epoch = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

// runs plays n jobs in order of submission and by a plan.
func runs(t *testing.T, n int, seed uint64) []whatif.Run {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	jobs := make([]sim.Job, n)
	for i := range jobs {
		j := &jobs[i]
		j.ID = `<script>"&` + strconv.Itoa(i)
		j.Submitted = epoch.Add(time.Duration(i*rng.IntN(600)) * time.Second)
		if i > 0 && j.Submitted.Before(jobs[i-1].Submitted) {
			j.Submitted = jobs[i-1].Submitted
		}
		j.Requests.CPUCores, j.Runtime = float64(1+rng.IntN(8)), time.Duration(1+rng.ExpFloat64()*3600)*time.Second
	}
	var all []whatif.Run
	for _, policy := range []string{"greedy", "runcast"} {
		p, err := sim.NewPredictor("oracle", 1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sim.Run(sim.Config{Cluster: sim.Processors(10), Jobs: jobs, Policy: policy, Predictor: p})
		if err != nil {
			t.Fatal(err)
		}
		run := whatif.Run{Label: policy + " <b>", Class: "runcast", Result: r}
		if n >= 10 {
			i := sim.NewIntervals(r.Windows(10))
			run.Intervals = &i
			if len(all) > 0 {
				a := sim.Against(r.Windows(10), all[0].Windows(10))
				run.Against = &a
			}
		}
		all = append(all, run)
	}
	return all
}

func TestPage(t *testing.T) {
	for seed := range uint64(5) {
		for _, n := range []int{1, 2, 9, 300} {
			w := whatif.WhatIf{Name: "<i>h", Cluster: "10 processors", Runs: runs(t, n, seed), Samples: "10 parts"}
			var first, again bytes.Buffer
			if err := w.WriteHTML(&first); err != nil {
				t.Fatal(err)
			}
			if err := w.WriteHTML(&again); err != nil || first.String() != again.String() {
				t.Errorf("the same runs gave two pages, or %v", err)
			}
			text := pagetest.Check(t, first.String())
			for _, want := range []string{"the mean wait would have been", "with greedy <b>; with runcast <b> it would have been", "of <i>h, submitted", "Jobs waiting"} {
				if !strings.Contains(text, want) {
					t.Errorf("%d jobs: the page lacks %q", n, want)
				}
			}
		}
	}
}

func TestOneRun(t *testing.T) {
	w := whatif.WhatIf{Name: "h", Runs: runs(t, 20, 1)[:1]}
	if err := w.WriteHTML(&bytes.Buffer{}); err == nil {
		t.Error("one policy is compared with itself")
	}
}
