package sim

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/scheduler"
)

// traceJobs reads a public trace, or skips the test where there is none. The
// folder is RUNCAST_TRACES, or else shared/traces beside the module.
func traceJobs(t testing.TB, name string) []Job {
	t.Helper()
	dir := os.Getenv("RUNCAST_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "traces")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no public trace: %v (set RUNCAST_TRACES to the folder that holds %s)", err, name)
	}
	r, err := trace.Open(path, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return FromRecords(records)
}

// TestPublishedSchedules repeats the published results for KTH-SP2 on 100
// processors (Gaussier et al., SC 2015, artifact jad-darrous/predictsim; the
// classic policies among them are those of Tsafrir et al., TPDS 2007).
func TestPublishedSchedules(t *testing.T) {
	if testing.Short() {
		t.Skip("replays a year of jobs five times")
	}
	jobs := traceJobs(t, "KTH-SP2-1996-2.1-cln.swf.gz")
	for _, c := range []struct {
		policy, predictor string
		flow, slowdown    float64
	}{
		{"easy", "request", 15697, 92.58},
		{"easy", "oracle", 15188, 71.72},
		{"easy-sjbf", "request", 14764, 69.41},
		{"easy++", "last2", 15096, 63.50},
		{"easy++", "oracle", 14296, 49.85},
	} {
		t.Run(c.policy+"/"+c.predictor, func(t *testing.T) {
			t.Parallel()
			p, err := NewPredictor(c.predictor, 1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Run(Config{Cluster: Processors(100), Jobs: jobs, Policy: c.policy, Predictor: p})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d jobs: mean flow %.0f s (published %.0f), bounded slowdown %.2f (published %.2f)",
				got.Jobs, got.MeanFlow, c.flow, got.MeanBoundedSlow, c.slowdown)
			if math.Abs(got.MeanFlow/c.flow-1) > 0.002 || math.Abs(got.MeanBoundedSlow/c.slowdown-1) > 0.01 {
				t.Errorf("mean flow is %+.2f %% and slowdown %+.2f %% off what was published",
					100*(got.MeanFlow/c.flow-1), 100*(got.MeanBoundedSlow/c.slowdown-1))
			}
		})
	}
}

// TestPlanOnKTH holds the plan, as the cluster runs it, to what it reaches on the same
// log: close to perfect knowledge, and nobody waits much longer than under EASY.
func TestPlanOnKTH(t *testing.T) {
	if testing.Short() {
		t.Skip("replays a year of jobs six times")
	}
	jobs := traceJobs(t, "KTH-SP2-1996-2.1-cln.swf.gz")
	plan := scheduler.DefaultPolicy()
	plan.ForecastEffort = 0
	replay := func(policy, predictor string) Result {
		p, err := NewPredictor(predictor, 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Run(Config{Cluster: Processors(100), Jobs: jobs, Policy: policy, Predictor: p, Plan: plan})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, %s: mean flow %.0f s, largest %.0f s, bounded slowdown %.2f", policy, predictor, got.MeanFlow, got.MaxFlow, got.MeanBoundedSlow)
		return got
	}
	easy, oracle := replay("easy", "request"), replay("runcast", "oracle")
	if oracle.MeanFlow > 12_900 || oracle.MeanBoundedSlow > 25 {
		t.Error("with perfect estimates: expected a mean flow of at most 12,900 s and a bounded slowdown of at most 25")
	}
	for _, predictor := range []string{"request", "noise:0.5", "noise:1", "noise:1.5"} {
		got := replay("runcast", predictor)
		if got.MeanFlow > 1.08*oracle.MeanFlow {
			t.Errorf("%s: the mean flow is %.1f %% above that of perfect estimates", predictor, 100*(got.MeanFlow/oracle.MeanFlow-1))
		}
		if got.MaxFlow > 1.5*easy.MaxFlow {
			t.Errorf("%s: the largest flow is %.2f times EASY's", predictor, got.MaxFlow/easy.MaxFlow)
		}
	}
}
