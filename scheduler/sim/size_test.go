package sim

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// fixed says of every job that it needs the same memory.
type fixed struct {
	oracle
	request predictor.Bytes
	records *[]predictor.JobRecord
}

func (p fixed) Estimate(j *Job) (predictor.Estimate, error) {
	e := exactly(j.Runtime)
	e.MemoryRequest = p.request
	return e, nil
}

func (p fixed) Observe(r *predictor.JobRecord) error {
	*p.records = append(*p.records, *r)
	return nil
}

// TestRetryLadder follows a job that is given a quarter of what it needs.
func TestRetryLadder(t *testing.T) {
	j := job("a", "u", "n", 100*time.Second, 0)
	j.Submitted, j.Pods, j.Requests.Memory, j.PeakMemory = epoch, 1, 10*predictor.GiB, 4*predictor.GiB
	var records []predictor.JobRecord
	r := mustRun(t, Config{Cluster: nodes(t, NodeGroup{Name: "n", CPUCores: 1, Memory: 16 * predictor.GiB}), Jobs: []Job{*j},
		Policy: "greedy", Predictor: fixed{request: predictor.GiB, records: &records}, RightSize: true})
	held := []predictor.Bytes{predictor.GiB, predictor.GiB * 105 / 100, predictor.GiB * 105 / 100 * 2, predictor.GiB * 105 / 100 * 4}
	if len(records) != len(held) {
		t.Fatalf("it ran %d times, not %d", len(records), len(held))
	}
	for i, got := range records {
		last := i == len(held)-1
		if !last && (got.Outcome != predictor.OOMKilled || got.PeakMemory/predictor.MiB != held[i]/predictor.MiB) {
			t.Errorf("attempt %d: %s with %s, expected to be killed with %s", i, got.Outcome, got.PeakMemory, held[i])
		}
		if last && (got.Outcome == predictor.OOMKilled || got.PeakMemory != j.PeakMemory || got.OOMKills != 3) {
			t.Errorf("at last: %s, a peak of %s after %d kills", got.Outcome, got.PeakMemory, got.OOMKills)
		}
	}
	if res := r.result(); res.Retried != 1 || res.MeanFlow != 400 {
		t.Errorf("%d jobs were killed, mean flow %v s", res.Retried, res.MeanFlow)
	}
}

// TestRightSizing: on nodes bound by memory, asking for the peak instead of ten times as
// much gets everything done sooner, and no schedule is below the bound of trimmed jobs.
func TestRightSizing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 12))
	var jobs []Job
	for i := range 300 {
		j := *job(strconv.Itoa(i), "u", "n"+strconv.Itoa(i%5), time.Duration(1+rng.ExpFloat64()*600)*time.Second, 0)
		j.Submitted, j.Pods = epoch.Add(time.Duration(i)*20*time.Second), 1+i%2
		j.PeakMemory = predictor.Bytes(1+i%5) * predictor.GiB / 4
		j.Requests = predictor.Resources{CPUCores: 1, Memory: 10 * j.PeakMemory}
		jobs = append(jobs, j)
	}
	cluster := nodes(t, NodeGroup{Name: "n", Count: 4, CPUCores: 16, Memory: 32 * predictor.GiB})
	bound, err := LowerBound(cluster, Trimmed(jobs))
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{"greedy", "easy", "runcast"} {
		off := mustRun(t, Config{Cluster: cluster, Jobs: jobs, Policy: policy, Predictor: oracle{}}).result()
		on := mustRun(t, Config{Cluster: cluster, Jobs: jobs, Policy: policy, Predictor: oracle{}, RightSize: true}).result()
		t.Logf("%s: mean flow %.0f s, right-sized %.0f s, at least %.0f s", policy, off.MeanFlow, on.MeanFlow, bound)
		if on.Retried > 0 || on.MeanFlow > 0.7*off.MeanFlow || on.MeanFlow < bound {
			t.Errorf("%s: mean flow %.0f s, right-sized %.0f s with %d killed, at least %.0f s", policy, off.MeanFlow, on.MeanFlow, on.Retried, bound)
		}
	}
}
