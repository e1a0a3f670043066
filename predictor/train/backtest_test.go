package train_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/predictor/train"
)

// stopped is a clock that stands still.
func stopped() time.Time { return start }

// busy is a history in which many jobs overlap, most of them by a few users, names
// and limits; some fail or are stopped, and some never start.
func busy(rng *rand.Rand, n int) []predictor.JobRecord {
	records := make([]predictor.JobRecord, n)
	for i := range records {
		r := job(i, []string{"etl", "train", "test"}[rng.IntN(3)], float64(rng.IntN(300)), float64(rng.IntN(60))*rng.ExpFloat64())
		r.User = []string{"ann", "bob"}[rng.IntN(2)]
		r.Pods = rng.IntN(3)
		if rng.IntN(2) == 0 {
			r.RuntimeLimit = time.Duration(1+rng.IntN(4)) * 30 * time.Minute
		}
		wait := time.Duration(rng.IntN(20)) * time.Minute
		r.Started, r.Finished = r.Started.Add(wait), r.Finished.Add(wait)
		switch rng.IntN(12) {
		case 0:
			r.Outcome = predictor.Failed
		case 1:
			r.Outcome = predictor.DeadlineExceeded
		case 2:
			r.Outcome = ""
		case 3:
			r.Outcome, r.Started = predictor.Cancelled, time.Time{}
		case 4:
			r.Submitted = time.Time{}
		}
		records[i] = r
	}
	return records
}

// submitted is when a job was submitted, as far as that is known.
func submitted(r *predictor.JobRecord) time.Time {
	if r.Submitted.IsZero() {
		return r.Started
	}
	return r.Submitted
}

// said is what a predictor said of a job, and what came, in seconds.
type said struct{ p10, p50, p90, p99, actual float64 }

// twin backtests by the definitions: for each judged job it looks through the whole
// history for what had finished by its submission.
func twin(records []predictor.JobRecord, share float64) map[string][]said {
	ran := slices.DeleteFunc(slices.Clone(records), func(r predictor.JobRecord) bool { return r.Started.IsZero() })
	slices.SortFunc(ran, func(a, b predictor.JobRecord) int { return submitted(&a).Compare(submitted(&b)) })
	first := submitted(&ran[int(share*float64(len(ran)))])
	all := map[string][]said{}
	for i := range ran {
		r := &ran[i]
		if submitted(r).Before(first) || r.RuntimeCensored() || r.Runtime() <= 0 {
			continue
		}
		past := slices.DeleteFunc(slices.Clone(ran), func(o predictor.JobRecord) bool { return o.Finished.After(submitted(r)) })
		slices.SortFunc(past, func(a, b predictor.JobRecord) int {
			return cmp.Or(a.Finished.Compare(b.Finished), cmp.Compare(a.ID, b.ID))
		})
		m := model.New(1)
		for _, o := range past {
			m.Observe(o)
		}
		q := m.Estimate(&r.JobSpec).Runtime
		all[train.Runcast] = append(all[train.Runcast], said{q.P10.Seconds(), q.P50.Seconds(), q.P90.Seconds(), q.P99.Seconds(), r.Runtime().Seconds()})
		for name, x := range rules(&r.JobSpec, past) {
			all[name] = append(all[name], said{x, x, x, x, r.Runtime().Seconds()})
		}
	}
	return all
}

// rules are what the baselines say of a job, whose past is in order of finish.
func rules(s *predictor.JobSpec, past []predictor.JobRecord) map[string]float64 {
	limit := math.Inf(1)
	if s.RuntimeLimit > 0 {
		limit = s.RuntimeLimit.Seconds()
	}
	last := func(n int, like ...func(*predictor.JobSpec) bool) float64 {
		for _, same := range append(like, func(*predictor.JobSpec) bool { return true }) {
			var x []float64
			for i := len(past) - 1; i >= 0 && len(x) < n; i-- {
				if same(&past[i].JobSpec) {
					x = append(x, past[i].Runtime().Seconds())
				}
			}
			if slices.Sort(x); len(x) > 0 {
				return min((x[len(x)/2]+x[(len(x)-1)/2])/2, limit)
			}
		}
		return 0
	}
	user := func(o *predictor.JobSpec) bool { return o.User == s.User }
	name := func(o *predictor.JobSpec) bool { return user(o) && o.Name == s.Name }
	limited := func(o *predictor.JobSpec) bool { return name(o) && o.RuntimeLimit == s.RuntimeLimit }
	shaped := func(o *predictor.JobSpec) bool { return limited(o) && max(o.Pods, 1) == max(s.Pods, 1) }
	median := last(10, name, user)
	request := median
	if s.RuntimeLimit > 0 {
		request = limit
	}
	last2 := request
	if slices.ContainsFunc(past, func(o predictor.JobRecord) bool { return user(&o.JobSpec) }) {
		last2 = last(2, user)
	}
	return map[string]float64{
		"key_median": median,
		"request":    request,
		"last2":      last2,
		"hierarchy":  last(16, shaped, limited, name, user),
	}
}

// metrics computes by the definitions. Concordance is over all pairs.
func metrics(all []said) train.Metrics {
	share := func(ok func(said) bool) float64 {
		n := 0
		for _, s := range all {
			if ok(s) {
				n++
			}
		}
		return float64(n) / float64(len(all))
	}
	middle := func(f func(said) float64) float64 {
		var x []float64
		for _, s := range all {
			x = append(x, f(s))
		}
		slices.Sort(x)
		return (x[len(x)/2] + x[(len(x)-1)/2]) / 2
	}
	average := func(f func(said) float64) float64 {
		sum := 0.0
		for _, s := range all {
			sum += f(s)
		}
		return sum / float64(len(all))
	}
	off := func(s said) float64 { return math.Abs(s.p50 - s.actual) }
	right, pairs := 0.0, 0.0
	for _, a := range all {
		for _, b := range all {
			if a.actual < b.actual {
				pairs++
				right += (1 + float64(cmp.Compare(b.p50, a.p50))) / 2
			}
		}
	}
	return train.Metrics{
		MAE:         average(off),
		MedAE:       middle(off),
		MedAPE:      middle(func(s said) float64 { return off(s) / s.actual }),
		Within2x:    share(func(s said) bool { return s.p50 >= s.actual/2 && s.p50 <= 2*s.actual }),
		Within25Pct: share(func(s said) bool { return off(s) <= s.actual/4 }),
		Under:       share(func(s said) bool { return s.p50 < s.actual }),
		PinballP50:  average(func(s said) float64 { return max(0.5*(s.actual-s.p50), 0.5*(s.p50-s.actual)) }),
		PinballP90:  average(func(s said) float64 { return max(0.9*(s.actual-s.p90), 0.1*(s.p90-s.actual)) }),
		CoverageP10: share(func(s said) bool { return s.actual <= s.p10 }),
		CoverageP99: share(func(s said) bool { return s.actual <= s.p99 }),
		CoverageP50: share(func(s said) bool { return s.actual <= s.p50 }),
		CoverageP90: share(func(s said) bool { return s.actual <= s.p90 }),
		Concordance: right / pairs,
	}
}

func TestBacktestTwin(t *testing.T) {
	for seed := range uint64(6) {
		records := busy(rand.New(rand.NewPCG(seed, 5)), 120)
		share := []float64{0, 0.2, 0.7}[seed%3]
		report, err := train.Backtest(records, train.Options{Start: share, Seed: 1, Now: stopped})
		if err != nil {
			t.Fatal(err)
		}
		want := twin(records, share)
		if report.Jobs != len(want[train.Runcast]) || len(report.Predictors) != len(want) {
			t.Errorf("seed %d: %d jobs by %d predictors, want %d by %d", seed, report.Jobs, len(report.Predictors), len(want[train.Runcast]), len(want))
		}
		for name, all := range want {
			wantMetrics(t, fmt.Sprintf("seed %d, %s", seed, name), report.Predictors[name], metrics(all))
		}
	}
}

// wantMetrics compares to rounding, and the concordance, which is sampled, to 2 %.
func wantMetrics(t *testing.T, what string, got, want train.Metrics) {
	t.Helper()
	for _, c := range []struct {
		name      string
		got, want float64
		near      float64
	}{
		{"MAE", got.MAE, want.MAE, 1e-9 * want.MAE},
		{"MedAE", got.MedAE, want.MedAE, 1e-9 * want.MedAE},
		{"MedAPE", got.MedAPE, want.MedAPE, 1e-9 * want.MedAPE},
		{"Within2x", got.Within2x, want.Within2x, 1e-9},
		{"Within25Pct", got.Within25Pct, want.Within25Pct, 1e-9},
		{"Under", got.Under, want.Under, 1e-9},
		{"PinballP50", got.PinballP50, want.PinballP50, 1e-9 * want.PinballP50},
		{"PinballP90", got.PinballP90, want.PinballP90, 1e-9 * want.PinballP90},
		{"CoverageP10", got.CoverageP10, want.CoverageP10, 1e-9},
		{"CoverageP99", got.CoverageP99, want.CoverageP99, 1e-9},
		{"CoverageP50", got.CoverageP50, want.CoverageP50, 1e-9},
		{"CoverageP90", got.CoverageP90, want.CoverageP90, 1e-9},
		{"Concordance", got.Concordance, want.Concordance, 0.02},
	} {
		if !(math.Abs(c.got-c.want) <= c.near) {
			t.Errorf("%s: %s is %v, want %v", what, c.name, c.got, c.want)
		}
	}
}

// What finishes after the last judged job was submitted changes no prediction, even if
// it was submitted before.
func TestBacktestKnowsNoFuture(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 6))
		records := busy(rng, 100)
		before, err := train.Backtest(records, train.Options{From: at(100), Now: stopped})
		if err != nil {
			t.Fatal(err)
		}
		last := start
		for i := range records {
			if s := submitted(&records[i]); s.After(last) {
				last = s
			}
		}
		for i := range 50 {
			r := records[rng.IntN(len(records))]
			r.ID = fmt.Sprint("later", i)
			r.Submitted, r.Started = at(float64(rng.IntN(300))), at(300)
			r.Finished, r.Outcome = last.Add(time.Duration(1+rng.IntN(1e6))*time.Second), predictor.Evicted // so that it is not judged itself
			records = append(records, r)
		}
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		after, err := train.Backtest(records, train.Options{From: at(100), Now: stopped})
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range before.Predictors {
			wantMetrics(t, fmt.Sprintf("seed %d, %s", seed, name), after.Predictors[name], m)
		}
	}
}

func TestBacktestIsReproducible(t *testing.T) {
	records := busy(rand.New(rand.NewPCG(1, 7)), 300)
	a, errA := train.Backtest(records, train.Options{Start: 0.2, Seed: 3, Now: stopped})
	b, errB := train.Backtest(records, train.Options{Start: 0.2, Seed: 3, Now: stopped})
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	for name := range a.Predictors {
		if a.Predictors[name] != b.Predictors[name] {
			t.Errorf("%s: %+v, then %+v", name, a.Predictors[name], b.Predictors[name])
		}
	}
}

func TestBacktestRefuses(t *testing.T) {
	records := jobs("etl", 10, 0, 5)
	failed := slices.Clone(records)
	for i := range failed {
		failed[i].Outcome = predictor.Failed
	}
	for _, tt := range []struct {
		name    string
		records []predictor.JobRecord
		options train.Options
		want    error // nil for any
	}{
		{"no records", nil, train.Options{Now: stopped}, train.ErrNothingToJudge},
		{"none succeeded", failed, train.Options{Now: stopped}, train.ErrNothingToJudge},
		{"none submitted", records, train.Options{From: at(100), Now: stopped}, train.ErrNothingToJudge},
		{"no clock", records, train.Options{}, nil},
		{"start below 0", records, train.Options{Start: -0.1, Now: stopped}, nil},
		{"start at 1", records, train.Options{Start: 1, Now: stopped}, nil},
		{"start not a number", records, train.Options{Start: math.NaN(), Now: stopped}, nil},
	} {
		if report, err := train.Backtest(tt.records, tt.options); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v, want %v", tt.name, report, err, tt.want)
		}
	}
}
