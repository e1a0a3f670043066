package train_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/predictor/train"
)

// hungry is a history of jobs of a few groups, whose memory was measured of most; some
// ask for none, some for less than they need, and some are killed for it.
func hungry(rng *rand.Rand, n int) []predictor.JobRecord {
	records := make([]predictor.JobRecord, n)
	for i := range records {
		r := job(i, []string{"etl", "train"}[rng.IntN(2)], 300*rng.Float64(), 60*rng.ExpFloat64())
		r.User = []string{"ann", "bob"}[rng.IntN(2)]
		r.Requests.Memory = predictor.Bytes(rng.IntN(4)) * predictor.GiB
		r.PeakMemory = predictor.Bytes(float64(predictor.GiB) * (1 + 0.1*rng.ExpFloat64()))
		switch rng.IntN(10) {
		case 0:
			r.PeakMemory = 0
		case 1:
			r.Outcome = predictor.OOMKilled
		case 2:
			r.PeakMemory *= 3
		}
		records[i] = r
	}
	return records
}

// finished are the records of the jobs that finished before one did, or by its
// submission, in order of finish.
func finished(records []predictor.JobRecord, keep func(predictor.JobRecord) bool) []predictor.JobRecord {
	past := slices.DeleteFunc(slices.Clone(records), func(o predictor.JobRecord) bool { return !keep(o) })
	slices.SortFunc(past, func(a, b predictor.JobRecord) int { return a.Finished.Compare(b.Finished) })
	return past
}

// peaksOf are the peaks measured of a job's group, in ascending order.
func peaksOf(r *predictor.JobRecord, past []predictor.JobRecord) []float64 {
	var peaks []float64
	for _, o := range past {
		if o.User == r.User && o.Name == r.Name && o.PeakMemory > 0 {
			peaks = append(peaks, float64(o.PeakMemory))
		}
	}
	slices.Sort(peaks)
	return peaks
}

// memoryTwin sizes the jobs from the second half of the submissions on by the
// definitions, each request scaled, and adds up what that costs.
func memoryTwin(records []predictor.JobRecord, scale float64) (jobs int, of map[string]*train.MemoryMetrics) {
	of = map[string]*train.MemoryMetrics{"request": {}, "max102": {}, "q99x102": {}, train.Runcast: {}}
	ordered := slices.SortedFunc(slices.Values(records), func(a, b predictor.JobRecord) int { return a.Submitted.Compare(b.Submitted) })
	node := 0.0
	for _, r := range records {
		node = max(node, float64(r.PeakMemory), float64(r.Requests.Memory))
	}
	for _, r := range ordered[len(ordered)/2:] {
		if r.Outcome != predictor.Succeeded || r.PeakMemory == 0 {
			continue
		}
		jobs++
		request := cmp.Or(float64(r.Requests.Memory), node)
		first := map[string]float64{"request": request, "max102": request, "q99x102": request, train.Runcast: request}
		past := finished(records, func(o predictor.JobRecord) bool { return !o.Finished.After(r.Submitted) })
		if p := peaksOf(&r, past); len(p) >= 3 {
			place := 0.99 * float64(len(p)-1)
			below := int(place)
			q99 := p[below]
			if below+1 < len(p) {
				q99 += (place - float64(below)) * (p[below+1] - p[below])
			}
			first["max102"], first["q99x102"] = min(1.02*p[len(p)-1], node), min(1.02*q99, node)
		}
		m := model.New(1)
		for _, o := range past {
			m.Observe(o)
		}
		if e := m.Estimate(&r.JobSpec); e.MemoryRequest > 0 {
			first[train.Runcast] = min(float64(e.MemoryRequest), node)
		}
		largest := 0.0
		if p := peaksOf(&r, finished(records, func(o predictor.JobRecord) bool { return o.Finished.Before(r.Finished) })); len(p) > 0 {
			largest = p[len(p)-1]
		}
		for name, request := range first {
			allocated := min(scale*request, node)
			attempts := []float64{allocated}
			for allocated < float64(r.PeakMemory) {
				if 1.05*largest > allocated {
					allocated = min(1.05*largest, node)
				} else {
					allocated = min(2*allocated, node)
				}
				attempts = append(attempts, allocated)
			}
			for _, a := range attempts {
				of[name].WastageGBh += a * r.Runtime().Hours() / 1e9
			}
			of[name].WastageGBh -= float64(r.PeakMemory) * r.Runtime().Hours() / 1e9
			of[name].Attempts += float64(len(attempts))
			of[name].FirstAttemptFailures += float64(min(len(attempts)-1, 1))
		}
	}
	return jobs, of
}

func TestMemoryTwin(t *testing.T) {
	for seed := range uint64(6) {
		records := hungry(rand.New(rand.NewPCG(seed, 8)), 200)
		report, err := train.Backtest(records, train.Options{Target: train.Memory, Start: 0.5, ByGroup: true, Now: stopped})
		if err != nil {
			t.Fatal(err)
		}
		jobs, want := memoryTwin(records, 1)
		if report.Jobs != jobs || len(report.Predictors) != len(want) {
			t.Errorf("seed %d: %d jobs by %d predictors, want %d by %d", seed, report.Jobs, len(report.Predictors), jobs, len(want))
		}
		n := float64(jobs)
		for name, w := range want {
			w.Attempts, w.FirstAttemptFailures = w.Attempts/n, w.FirstAttemptFailures/n
			what, got := fmt.Sprintf("seed %d, %s", seed, name), *report.Predictors[name].MemoryMetrics
			wantMemory(t, what, got, *w)
			var sum train.MemoryMetrics
			for _, g := range report.Groups {
				m, share := g.Predictors[name].MemoryMetrics, float64(g.Jobs)/n
				sum.WastageGBh += m.WastageGBh
				sum.Attempts += share * m.Attempts
				sum.FirstAttemptFailures += share * m.FirstAttemptFailures
			}
			wantMemory(t, what+", sum of the groups", sum, *w)
		}
	}
}

// A curve is the cost with the requests scaled: with less headroom no fewer fail.
func TestMemoryCurve(t *testing.T) {
	records := hungry(rand.New(rand.NewPCG(1, 9)), 60)
	report, err := train.Backtest(records, train.Options{Target: train.Memory, Start: 0.5, Now: stopped})
	if err != nil {
		t.Fatal(err)
	}
	for name, curve := range report.Curves {
		for i, c := range curve {
			jobs, of := memoryTwin(records, c.Scale)
			want := *of[name]
			want.Attempts, want.FirstAttemptFailures = want.Attempts/float64(jobs), want.FirstAttemptFailures/float64(jobs)
			wantMemory(t, fmt.Sprintf("%s scaled by %g", name, c.Scale), c.MemoryMetrics, want)
			if i > 0 && (c.Scale <= curve[i-1].Scale || c.FirstAttemptFailures > curve[i-1].FirstAttemptFailures) {
				t.Errorf("%s: %+v after %+v", name, c, curve[i-1])
			}
		}
	}
}

func wantMemory(t *testing.T, what string, got, want train.MemoryMetrics) {
	t.Helper()
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }
	if !near(got.WastageGBh, want.WastageGBh) || !near(got.Attempts, want.Attempts) || !near(got.FirstAttemptFailures, want.FirstAttemptFailures) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}
