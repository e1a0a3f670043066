package train

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// alike are the places of the judged jobs that have the finest group in common with one,
// of the groups that ten or more are of.
func alike(b *replay, of int) []int {
	keys := func(i int) features.Keys { return features.KeysOf(&b.records[b.jobs[i]].JobSpec) }
	for level, key := range keys(of) {
		var members []int
		for i := range b.jobs {
			if key != 0 && keys(i)[level] == key {
				members = append(members, i)
			}
		}
		if len(members) >= 10 || level == features.NumLevels-1 {
			return members
		}
	}
	return nil
}

// In hindsight a job is given what would have been best for its group as a whole: of all
// values that came there, tried one by one, none would have lost less or wasted less.
func TestHindsight(t *testing.T) {
	for seed := range uint64(4) {
		for _, target := range []Target{Runtime, Memory} {
			records := randomHistory(300, seed)
			b, err := newReplay(records, Options{Target: target, Start: 0.5, Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			b.run()
			said := b.hindsight()
			if len(said) != len(b.jobs) {
				t.Fatalf("%d outcomes of %d jobs", len(said), len(b.jobs))
			}
			for i, got := range said {
				what := fmt.Sprintf("seed %d, %s of job %d", seed, target, i)
				if came := b.said[Runcast][i]; got.actual != came.actual || got.peak != came.peak || got.retry != came.retry || got.hours != came.hours {
					t.Fatalf("%s: %+v for %+v", what, got, came)
				}
				members := alike(b, i)
				for q, c := range [][2]float64{{0.1, got.p10}, {0.5, got.p50}, {0.9, got.p90}, {0.99, got.p99}} {
					loss := func(x float64) (sum float64) {
						for _, m := range members {
							sum += Pinball(c[0], x, b.said[Runcast][m].actual)
						}
						return sum
					}
					if least := lowest(b, members, loss); !near(loss(c[1]), least) {
						t.Errorf("%s: quantile %d loses %g, the best constant %g", what, q, loss(c[1]), least)
					}
				}
				wasted := func(x float64) (sum float64) {
					for _, m := range members {
						o := b.said[Runcast][m]
						o.first = x
						sum += o.run(1).wastage
					}
					return sum
				}
				if least := lowest(b, members, wasted); target == Memory && !near(wasted(got.first), least) {
					t.Errorf("%s: %g wastes %g, the best constant %g", what, got.first, wasted(got.first), least)
				}
			}
		}
	}
}

// lowest is the lowest loss that a value of the members reaches as a constant.
func lowest(b *replay, members []int, loss func(float64) float64) float64 {
	least := math.Inf(1)
	for _, m := range members {
		least = min(least, loss(b.said[Runcast][m].actual))
	}
	return least
}

// Hindsight stands beside the predictors, for all jobs and for each group.
func TestHindsightIsReported(t *testing.T) {
	records := randomHistory(300, 1)
	records = slices.DeleteFunc(records, func(r predictor.JobRecord) bool { return r.RuntimeCensored() })
	for i := range records { // all jobs of a user take the same
		records[i].Finished = records[i].Started.Add(time.Hour)
		if records[i].User == "ann" {
			records[i].Finished = records[i].Started.Add(time.Minute)
		}
	}
	rep, err := Backtest(records, Options{Now: clock, ByGroup: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range append(rep.Groups, Group{Hindsight: rep.Hindsight}) {
		if m := g.Hindsight; m.MAE != 0 || !near(m.CoverageP90, 1) || !near(m.Within2x, 1) {
			t.Errorf("%s: %+v", g.GroupName, m)
		}
	}
}
