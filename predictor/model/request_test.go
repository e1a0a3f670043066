package model_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

// sized are runs of the job etl, one an hour, that needed these many MiB, negative ones
// killed for memory at that.
func sized(mib ...float64) []predictor.JobRecord {
	records := make([]predictor.JobRecord, len(mib))
	for i, x := range mib {
		at := time.Unix(1_700_000_000, 0).Add(time.Duration(i) * time.Hour)
		records[i] = predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: fmt.Sprint(i), Submitted: at, User: "ann", Name: "etl"},
			Started: at, Finished: at.Add(time.Minute), Outcome: predictor.Succeeded,
			Usage: predictor.Usage{PeakMemory: predictor.Bytes(max(x, -x) * (1 << 20))},
		}
		if x < 0 {
			records[i].Outcome = predictor.OOMKilled
		}
	}
	return records
}

func requestOf(records []predictor.JobRecord) float64 {
	m := model.New(1)
	for _, r := range records {
		m.Observe(r)
	}
	return float64(m.Estimate(&predictor.JobSpec{ID: "next", User: "ann", Name: "etl"}).MemoryRequest) / (1 << 20)
}

func times(n int, mib ...float64) []float64 {
	var all []float64
	for range n {
		all = append(all, mib...)
	}
	return all
}

func TestMemoryRequest(t *testing.T) {
	steady := slices.Clip(times(20, 1000))
	for _, test := range []struct {
		name        string
		mib         []float64
		least, most float64
	}{
		{"nothing is known", nil, 0, 0},
		{"nothing was measured", []float64{0, 0, 0}, 0, 0},
		{"always the same", steady, 1020, 1021},
		{"one run", []float64{1000}, 1020, 1021},
		{"it varies: the largest, and a little more", times(20, 900, 1000, 950), 1020, 1030},
		{"two runs that differ: with caution", []float64{1000, 800}, 1050, 2100},
		{"one outlier of many does not decide", append([]float64{4000}, times(80, 1000)...), 1020, 1100},
		{"killed once", append(steady, -1000), 1050, 1051},
		{"killed with more than any needed", append(steady, -1100), 1155, 1156},
		{"killed again", append(steady, -1000, -1050), 2100, 2101},
		{"killed, then enough", append(steady, -1000, 1200), 1224, 1300},
	} {
		if got := requestOf(sized(test.mib...)); !(got >= test.least && got <= test.most) {
			t.Errorf("%s: %.1f MiB, want %.0f to %.0f", test.name, got, test.least, test.most)
		}
	}
}

// Jobs of ten times the memory get ten times as much, whatever their history.
func TestMemoryRequestScales(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		small := make([]float64, 1+rng.IntN(100))
		large := make([]float64, len(small))
		for i := range small {
			small[i] = 100 + 100*rng.Float64()
			large[i] = 10 * small[i]
		}
		a, b := requestOf(sized(small...)), requestOf(sized(large...))
		if !(b > 9.99*a && b < 10.01*a) {
			t.Errorf("seed %d, %d runs: %.2f MiB, and %.2f MiB of ten times as large ones", seed, len(small), a, b)
		}
	}
}

// What grows with a declared input is asked for beyond the largest that was seen.
func TestMemoryRequestFollowsInputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	with := func(s *predictor.JobSpec, input float64) {
		s.Features = map[string]predictor.Feature{"rows": {Number: input}}
	}
	m := model.New(1)
	for i, r := range sized(times(60, 1)...) {
		input := 100 + 900*rng.Float64()
		with(&r.JobSpec, input)
		r.ID = fmt.Sprint(i)
		r.PeakMemory = predictor.Bytes(input) * predictor.MiB
		m.Observe(r)
	}
	ask := func(input float64) float64 {
		s := predictor.JobSpec{ID: "next", User: "ann", Name: "etl"}
		with(&s, input)
		return float64(m.Estimate(&s).MemoryRequest / predictor.MiB)
	}
	if small, large := ask(200), ask(2000); !(small >= 200 && small < 400 && large >= 2000 && large < 3000) {
		t.Errorf("%.0f MiB for 200 MiB, %.0f MiB for 2000 MiB", small, large)
	}
}
