package train_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/train"
)

// A kind of jobs needs some memory for the nth of its runs, in MiB.
type memoryKind struct {
	name string
	mib  func(rng *rand.Rand, n int) float64
}

var memoryKinds = []memoryKind{
	{"steady", func(*rand.Rand, int) float64 { return 200 }},
	{"noisy", func(rng *rand.Rand, _ int) float64 { return 300 * math.Exp(0.2*rng.NormFloat64()) }},
	{"two modes", func(rng *rand.Rand, _ int) float64 { return []float64{100, 1000}[rng.IntN(2)] }},
	{"rarely large", func(rng *rand.Rand, n int) float64 {
		if n%60 == 59 {
			return 2000
		}
		return 100 + 5*rng.Float64()
	}},
	{"grows", func(rng *rand.Rand, n int) float64 { return 100 * math.Exp(0.005*float64(n)+0.02*rng.NormFloat64()) }},
	{"falls to a tenth", func(rng *rand.Rand, n int) float64 {
		if n < 100 {
			return 3000 + 100*rng.Float64()
		}
		return 300 + 10*rng.Float64()
	}},
	{"huge", func(rng *rand.Rand, _ int) float64 { return 20000 * math.Exp(rng.NormFloat64()) }},
}

// needing is a history of n jobs of one user, an hour each, of kinds in turn.
func needing(rng *rand.Rand, n int) []predictor.JobRecord {
	records := make([]predictor.JobRecord, n)
	for i := range records {
		kind := &memoryKinds[i%len(memoryKinds)]
		at := time.Unix(1_700_000_000, 0).Add(time.Duration(i) * 2 * time.Hour)
		records[i] = predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: fmt.Sprint(i), Submitted: at, User: "ann", Name: kind.name},
			Started: at, Finished: at.Add(time.Hour), Outcome: predictor.Succeeded,
			Usage: predictor.Usage{PeakMemory: predictor.Bytes(kind.mib(rng, i/len(memoryKinds)) * (1 << 20))},
		}
		records[i].Requests.Memory = 64 * predictor.GiB
	}
	return records
}

// Whatever the memory of a kind does, beside others that need a hundred times as much, the
// requests waste little more than those of the rule that suits it better, and hardly more
// jobs fail than by the other.
func TestMemoryByKind(t *testing.T) {
	for seed := range uint64(4) {
		records := needing(rand.New(rand.NewPCG(seed, 5)), 400*len(memoryKinds))
		report, err := train.Backtest(records, train.Options{Target: train.Memory, Start: 0.05, ByGroup: true, Now: stopped})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range report.Groups {
			got, largest, high := g.Predictors[train.Runcast], g.Predictors["max102"], g.Predictors["q99x102"]
			if most := 1.15 * min(largest.WastageGBh, high.WastageGBh); got.WastageGBh > most {
				t.Errorf("seed %d, %s: %.2f GBh wasted, at most %.2f expected", seed, g.Name, got.WastageGBh, most)
			}
			if most := max(largest.FirstAttemptFailures, high.FirstAttemptFailures) + 0.015; got.FirstAttemptFailures > most {
				t.Errorf("seed %d, %s: %.4f fail, at most %.4f expected", seed, g.Name, got.FirstAttemptFailures, most)
			}
		}
	}
}
