package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// history is n jobs of n/1000+10 users, each with some pipelines that recur with other
// lengths and seeds, log-normal runtimes over five orders of magnitude, and one job in
// ten that nobody has seen before.
func history(n int) []predictor.JobRecord {
	random := rand.New(rand.NewPCG(10, 11))
	at := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	users := n/1000 + 10
	records := make([]predictor.JobRecord, n)
	for i := range records {
		at = at.Add(time.Duration(random.ExpFloat64() * float64(time.Minute)))
		user := int(float64(users) * math.Pow(random.Float64(), 2)) // some submit most
		pipeline := random.IntN(8)
		if random.IntN(10) == 0 {
			pipeline = 100 + i
		}
		kind := rand.New(rand.NewPCG(uint64(user), uint64(pipeline)))
		size := math.Exp(2 * random.NormFloat64())
		seconds := size * math.Exp(6+2*kind.NormFloat64()+0.5*random.NormFloat64())
		runtime := time.Duration(min(seconds, 1e6) * float64(time.Second))
		outcome := predictor.Succeeded
		if random.IntN(12) == 0 {
			outcome = predictor.Failed
		}
		records[i] = predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprintf("%08x", i), Namespace: "batch", User: fmt.Sprintf("user-%d", user),
				Name:      fmt.Sprintf("pipeline-%c-%05x", 'a'+pipeline%26, i),
				Image:     fmt.Sprintf("registry/pipeline-%d:v%d", pipeline%100, i/5000),
				Command:   fmt.Sprintf("run --size %.0f --seed %d", 1000*size, random.IntN(100)),
				Requests:  predictor.Resources{CPUCores: float64(1 + kind.IntN(16)), Memory: predictor.Bytes(1+kind.IntN(64)) << 30},
				Features:  map[string]predictor.Feature{"size": {Number: size}},
				Submitted: at, RuntimeLimit: 24 * time.Hour,
			},
			Started: at, Finished: at.Add(runtime), Outcome: outcome,
			Usage: predictor.Usage{PeakMemory: predictor.Bytes(size * float64(1<<28) * math.Exp(kind.NormFloat64()))},
		}
	}
	slices.SortStableFunc(records, func(a, b predictor.JobRecord) int { return a.Finished.Compare(b.Finished) })
	return records
}

var lengths = []int{10_000, 100_000, 1_000_000}

// google is a log of a real cluster, 323,091 jobs of two weeks, in order of finish. It is
// in the folder that RUNCAST_TRACES names; the benchmark is skipped if it is not there.
func google(b *testing.B) []predictor.JobRecord {
	b.Helper()
	r, err := trace.Open(cmp.Or(os.Getenv("RUNCAST_TRACES"), "../../../shared/traces")+"/google-2011-days-01-14.csv.gz", trace.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		b.Skipf("no public log, set RUNCAST_TRACES to their folder: %v", err)
	} else if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	records, err := r.ReadAll()
	if err != nil {
		b.Fatal(err)
	}
	slices.SortStableFunc(records, func(a, b predictor.JobRecord) int { return a.Finished.Compare(b.Finished) })
	return records
}

// BenchmarkFit trains from the beginning. Growth is the time against n log n, where that of
// the fewest records is 1: it stays at 1 or below.
func BenchmarkFit(b *testing.B) {
	fit := func(b *testing.B, records []predictor.JobRecord) (perRecord float64) {
		for b.Loop() {
			trained(records)
		}
		perRecord = float64(b.Elapsed().Nanoseconds()) / 1e3 / float64(b.N*len(records))
		b.ReportMetric(perRecord, "us/record")
		return perRecord
	}
	var unit float64
	for _, n := range lengths {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			perRecord := fit(b, history(n)) / math.Log(float64(n))
			if unit == 0 {
				unit = perRecord
			}
			b.ReportMetric(perRecord/unit, "growth")
		})
	}
	b.Run("google", func(b *testing.B) { fit(b, google(b)) })
}

// BenchmarkArtifact decodes a model.
func BenchmarkArtifact(b *testing.B) {
	for _, n := range lengths[:2] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := trained(history(n))
			var artifact bytes.Buffer
			if err := m.Encode(&artifact); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Decode(bytes.NewReader(artifact.Bytes())); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(artifact.Len())/1e6, "MB")
		})
	}
}

// served trains on all but the last tenth of the records, which it returns as those that
// come next; load decodes the model, as a predictor does.
func served(b *testing.B, records []predictor.JobRecord) (load func() *Model, next []predictor.JobRecord) {
	b.Helper()
	n := len(records) - len(records)/10
	var artifact bytes.Buffer
	if err := trained(records[:n]).Encode(&artifact); err != nil {
		b.Fatal(err)
	}
	load = func() *Model {
		m, err := Decode(bytes.NewReader(artifact.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		return m
	}
	return load, records[n:]
}

// onHistories measures with the models of two histories and of a real log.
func onHistories(b *testing.B, measure func(*testing.B, []predictor.JobRecord)) {
	for _, n := range lengths[:2] {
		b.Run(fmt.Sprint(n), func(b *testing.B) { measure(b, history(n)) })
	}
	b.Run("google", func(b *testing.B) { measure(b, google(b)) })
}

// BenchmarkEstimate reports the median and the slowest of a hundred, in microseconds, and
// how many times as long the median takes as writing the job as JSON.
func BenchmarkEstimate(b *testing.B) {
	onHistories(b, func(b *testing.B, records []predictor.JobRecord) {
		load, next := served(b, records)
		m := load()
		var estimates, writes []float64
		microseconds := func(since time.Time) float64 { return float64(time.Since(since).Nanoseconds()) / 1e3 }
		for i := 0; b.Loop(); i++ {
			job := &next[i%len(next)].JobSpec
			start := time.Now()
			m.Estimate(job)
			estimates = append(estimates, microseconds(start))
			start = time.Now()
			if _, err := json.Marshal(job); err != nil {
				b.Fatal(err)
			}
			writes = append(writes, microseconds(start))
		}
		slices.Sort(estimates)
		slices.Sort(writes)
		median := estimates[len(estimates)/2]
		b.ReportMetric(0, "ns/op") // of the two together
		b.ReportMetric(median, "us-p50")
		b.ReportMetric(estimates[len(estimates)*99/100], "us-p99")
		b.ReportMetric(median/writes[len(writes)/2], "p50/JSON")
	})
}

// BenchmarkObserve is what a predictor does for each record that it follows: the mean, and
// the median in microseconds.
func BenchmarkObserve(b *testing.B) {
	onHistories(b, func(b *testing.B, records []predictor.JobRecord) {
		load, next := served(b, records)
		m := load()
		var took []float64
		for i := 0; b.Loop(); i++ {
			if i > 0 && i%len(next) == 0 {
				b.StopTimer()
				m = load()
				b.StartTimer()
			}
			start := time.Now()
			m.Observe(next[i%len(next)])
			took = append(took, float64(time.Since(start).Nanoseconds())/1e3)
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2], "us-p50")
	})
}

// BenchmarkRemaining is the estimate for a job that runs.
func BenchmarkRemaining(b *testing.B) {
	load, next := served(b, history(lengths[0]))
	m := load()
	for i := 0; b.Loop(); i++ {
		m.Remaining(&next[i%len(next)].JobSpec, time.Hour, 0)
	}
}
