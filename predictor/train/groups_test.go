package train

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// day0 is when the tests' histories begin.
var day0 = time.Unix(1_700_000_000, 0)

// clock stands still.
func clock() time.Time { return day0 }

// randomHistory is n jobs of a few users, names and queues, one submitted each minute.
func randomHistory(n int, seed uint64) []predictor.JobRecord {
	rng := rand.New(rand.NewPCG(seed, 1))
	records := make([]predictor.JobRecord, n)
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	for i := range records {
		r := &records[i]
		r.ID = string(rune('a'+i%26)) + time.Duration(i).String()
		r.Namespace, r.Queue = pick("", "ml"), pick("", "gpu", "cpu")
		r.User, r.Name = pick("ann", "bob"), pick("train", "test")
		r.Submitted = day0.Add(time.Duration(i) * time.Minute)
		r.Started = r.Submitted.Add(time.Duration(rng.IntN(3)) * time.Minute)
		r.Finished = r.Started.Add(time.Duration(1+rng.IntN(3600)) * time.Second)
		r.Outcome = predictor.Outcome(pick(string(predictor.Succeeded), string(predictor.Succeeded), string(predictor.Failed), string(predictor.OOMKilled)))
		r.Requests.Memory = predictor.Bytes(rng.IntN(3)) * predictor.GiB
		r.PeakMemory = predictor.Bytes(rng.Int64N(int64(2 * predictor.GiB)))
	}
	return records
}

// What is said of the groups adds up to what is said of all, and leaves that as it is.
func TestGroupsAddUp(t *testing.T) {
	records := randomHistory(500, 1)
	plain, err := Backtest(records, Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Backtest(records, Options{Now: clock, ByGroup: true})
	if err != nil {
		t.Fatal(err)
	}
	names := map[GroupName]bool{}
	for i := range records {
		names[groupName(&records[i].JobSpec)] = true
	}
	if len(rep.Groups) != len(names) {
		t.Errorf("%d groups, want %d", len(rep.Groups), len(names))
	}
	for predictor, want := range plain.Predictors {
		if got := rep.Predictors[predictor]; got != want {
			t.Errorf("%s of all jobs: %+v by group, %+v without", predictor, got, want)
		}
		jobs, sum, last := 0, Metrics{}, rep.Jobs
		for _, g := range rep.Groups {
			if !names[g.GroupName] || g.Jobs > last {
				t.Fatalf("group %v of %d jobs after one of %d", g.GroupName, g.Jobs, last)
			}
			m, n := g.Predictors[predictor], float64(g.Jobs)
			jobs, last = jobs+g.Jobs, g.Jobs
			sum.MAE += n * m.MAE
			sum.PinballP90 += n * m.PinballP90
			sum.CoverageP90 += n * m.CoverageP90
			sum.Under += n * m.Under
		}
		n := float64(rep.Jobs)
		if jobs != rep.Jobs || !near(sum.MAE/n, want.MAE) || !near(sum.PinballP90/n, want.PinballP90) ||
			!near(sum.CoverageP90/n, want.CoverageP90) || !near(sum.Under/n, want.Under) {
			t.Errorf("%s: %d jobs in groups with sums %+v; all: %d jobs, %+v", predictor, jobs, sum, rep.Jobs, want)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1) }

func TestGroupName(t *testing.T) {
	for want, s := range map[string]predictor.JobSpec{
		"all jobs":                             {ID: "1"},
		"namespace ml, user ann, name train":   {Namespace: "ml", Queue: "gpu", User: "ann", Name: "train"},
		"namespace ml, name train-ep5":         {Namespace: "ml", Name: "train-ep5-x7k2p"},
		"queue gpu, user ann":                  {Queue: "gpu", User: "ann"},
		"queue gpu, user namespace, name user": {Queue: "gpu", User: "namespace", Name: "user"},
	} {
		if got := groupName(&s).String(); got != want {
			t.Errorf("%+v is of group %q, want %q", s, got, want)
		}
	}
}

func TestConcordance(t *testing.T) {
	for _, test := range []struct {
		name string
		said []outcome
		want float64
	}{
		{"one job has no pair", []outcome{{p50: 1, actual: 1}}, 0},
		{"equal actuals have no order", []outcome{{p50: 1, actual: 5}, {p50: 2, actual: 5}}, 0},
		{"right", []outcome{{p50: 1, actual: 2}, {p50: 5, actual: 3}}, 1},
		{"wrong", []outcome{{p50: 5, actual: 2}, {p50: 1, actual: 3}}, 0},
		{"a tie counts half", []outcome{{p50: 1, actual: 2}, {p50: 1, actual: 3}}, 0.5},
		{"two of three", []outcome{{p50: 1, actual: 1}, {p50: 3, actual: 2}, {p50: 2, actual: 3}}, 2. / 3},
	} {
		if got := concordance(test.said, rand.New(rand.NewPCG(1, 1))); !near(got, test.want) {
			t.Errorf("%s: %g, want %g", test.name, got, test.want)
		}
	}
	// Of many jobs, a sample comes close to all pairs.
	rng := rand.New(rand.NewPCG(2, 2))
	many := make([]outcome, 600)
	for i := range many {
		many[i].actual = rng.NormFloat64()
		many[i].p50 = many[i].actual + rng.NormFloat64()
	}
	right, pairs := 0.0, 0.0
	for i, a := range many {
		for _, b := range many[:i] {
			if pairs++; (a.actual < b.actual) == (a.p50 < b.p50) {
				right++
			}
		}
	}
	if got := concordance(many, rng); math.Abs(got-right/pairs) > 0.01 {
		t.Errorf("sampled %g, all pairs %g", got, right/pairs)
	}
}

// A share of all jobs is 1 and not a little more, however many there are.
func TestSharesAreShares(t *testing.T) {
	for n := range 200 {
		said := make([]outcome, n+1)
		for i := range said {
			said[i] = outcome{p10: 1, p50: 1, p90: 1, p99: 1, actual: 1, trial: trial{first: 1, retry: 2, node: 4, peak: 2}}
		}
		m := measure(said, 1)
		for name, share := range map[string]float64{"within 2x": m.Within2x, "within 25 %": m.Within25Pct, "coverage p90": m.CoverageP90,
			"first attempt failures": measureMemory(said, 1).FirstAttemptFailures} {
			if share != 1 {
				t.Errorf("%s of %d jobs is %v, want 1", name, len(said), share)
			}
		}
	}
}
