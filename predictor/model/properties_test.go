package model_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

// plain is a history in order of finish: jobs of a few users and names, some limited,
// some stopped or failed; a limit ends what reaches it.
func plain(random *rand.Rand, n int) []predictor.JobRecord {
	records := make([]predictor.JobRecord, n)
	for i := range records {
		at := start.Add(time.Duration(i) * time.Minute)
		kind := random.IntN(6)
		runtime := time.Duration(math.Exp(float64(kind)+random.NormFloat64()) * float64(time.Minute))
		r := predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprint(i), Submitted: at, User: fmt.Sprint("user", kind/2), Name: fmt.Sprint("job-", kind),
				Requests: predictor.Resources{CPUCores: float64(1 + kind%3), Memory: predictor.Bytes(1+kind) * predictor.GiB},
			},
			Outcome: pick(random, predictor.Succeeded, predictor.Succeeded, predictor.Succeeded, predictor.Failed, predictor.Evicted),
			Usage:   predictor.Usage{PeakMemory: predictor.Bytes(math.Exp(18 + random.NormFloat64()))},
		}
		if random.IntN(2) == 0 {
			r.RuntimeLimit = time.Duration(1+random.IntN(100)) * time.Minute
			if runtime >= r.RuntimeLimit {
				runtime, r.Outcome = r.RuntimeLimit, predictor.DeadlineExceeded
			}
		}
		r.Started, r.Finished = at, at.Add(runtime)
		records[i] = r
	}
	slices.SortStableFunc(records, func(a, b predictor.JobRecord) int { return a.Finished.Compare(b.Finished) })
	return records
}

// Where limits are kept, no estimate is beyond its job's limit.
func TestLimitsCap(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 1))
	records := plain(random, 2000)
	m := learned(records)
	for i := range 300 {
		s := pick(random, records...).JobSpec
		s.RuntimeLimit = time.Duration(1 + random.Int64N(int64(2*time.Hour)))
		e := m.Estimate(&s)
		if e.Runtime.P99 > s.RuntimeLimit || e.MeanRuntime > s.RuntimeLimit {
			t.Errorf("job %d, limit %v: %+v", i, s.RuntimeLimit, e)
		}
		ran := time.Duration(random.Int64N(int64(2 * s.RuntimeLimit)))
		if left := m.Remaining(&s, ran, pick(random, 0, random.Float64())); left.P99 > max(s.RuntimeLimit-ran, 0) {
			t.Errorf("job %d, limit %v: after %v remain %v", i, s.RuntimeLimit, ran, left)
		}
	}
}

// A record observed twice changes nothing, to the byte.
func TestObservedTwice(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 1))
	records := plain(random, 1200)
	m := learned(records)
	want := encode(t, m)
	for range 300 {
		m.Observe(records[len(records)-1-random.IntN(300)])
	}
	if !bytes.Equal(encode(t, m), want) {
		t.Error("a record observed twice changed the model")
	}
	if n, from, to := m.Records(); n != len(records) || !from.Equal(records[0].Finished) || !to.Equal(records[n-1].Finished) {
		t.Errorf("%d records from %v to %v, want %d from %v to %v", n, from, to, len(records), records[0].Finished, records[len(records)-1].Finished)
	}
}

// Records that tell nothing of a run leave no trace.
func TestObservedNothing(t *testing.T) {
	m := learned(plain(rand.New(rand.NewPCG(6, 1)), 100))
	want := encode(t, m)
	r := plain(rand.New(rand.NewPCG(6, 2)), 1)[0]
	r.ID = "other"
	never, backward := r, r
	never.Started = time.Time{}
	backward.Finished = backward.Started.Add(-time.Second)
	m.Observe(never)
	m.Observe(backward)
	if !bytes.Equal(encode(t, m), want) {
		t.Error("records of jobs that did not run changed the model")
	}
}

// A history that comes in another order is no catastrophe: estimates are about the same.
func TestOutOfOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	records := plain(random, 1500)
	ordered := learned(records)
	for i := range records { // each up to 20 places from its own
		j := min(i+random.IntN(20), len(records)-1)
		records[i], records[j] = records[j], records[i]
	}
	shuffled := learned(records)
	apart := 0.0
	for _, r := range records {
		a, b := ordered.Estimate(&r.JobSpec), shuffled.Estimate(&r.JobSpec)
		check(t, r.ID, &b)
		apart += math.Abs(math.Log(a.Runtime.P50.Seconds()/b.Runtime.P50.Seconds())) / float64(len(records))
	}
	if apart > 0.2 {
		t.Errorf("the medians are e^%.2f apart", apart)
	}
}

// A group of very many records costs no more room than one of many.
func TestLargeGroup(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 1))
	m := model.New(1)
	var sizes []int
	const n = 12_000
	for i := range n {
		at := start.Add(time.Duration(i) * time.Minute)
		m.Observe(predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: fmt.Sprint(i), Submitted: at, User: "ann", Name: "etl"},
			Started: at, Finished: at.Add(time.Duration(math.Exp(random.NormFloat64()) * float64(time.Second))),
		})
		if i == n/2 || i == n-1 {
			sizes = append(sizes, len(encode(t, m)))
		}
	}
	if sizes[1] > sizes[0]*12/10 {
		t.Errorf("the artifact has %d bytes after %d records, %d after %d", sizes[0], n/2, sizes[1], n)
	}
	e := m.Estimate(&predictor.JobSpec{User: "ann", Name: "etl"})
	if p50, p90 := e.Runtime.P50.Seconds(), e.Runtime.P90.Seconds(); p50 < 0.8 || p50 > 1.25 || p90 < 2.5 || p90 > 5 {
		t.Errorf("p50 %g s and p90 %g s, want about 1 and 3.6", p50, p90)
	}
}

// Many may ask at once; each is answered as if it were alone.
func TestReadersAtOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 1))
	records := plain(random, 1200)
	m := learned(records)
	artifact := encode(t, m)
	type answer struct {
		estimate  predictor.Estimate
		remaining predictor.Quantiles[time.Duration]
	}
	about := func(i int) answer {
		s := &records[i].JobSpec
		x := m.Explain(s)
		return answer{x.Estimate, m.Remaining(s, time.Minute, 0.5)}
	}
	const jobs = 200
	var want [jobs]answer
	for i := range want {
		want[i] = about(i)
	}
	var wg sync.WaitGroup
	for reader := range 8 {
		wg.Go(func() {
			for n := range jobs {
				i := (n*7 + reader*31) % jobs
				if got := about(i); got != want[i] {
					t.Errorf("job %d: %+v, alone %+v", i, got, want[i])
				}
			}
			if reader == 0 {
				var b bytes.Buffer
				if err := m.Encode(&b); err != nil || !bytes.Equal(b.Bytes(), artifact) {
					t.Errorf("written differently while others ask: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
