package model

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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

// BenchmarkFit trains from the beginning. us/record grows no faster than a logarithm.
func BenchmarkFit(b *testing.B) {
	for _, n := range lengths {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			records := history(n)
			for b.Loop() {
				trained(records)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/record")
		})
	}
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

// served is a model as a predictor holds it, and the records that come next.
func served(b *testing.B, n int) (*Model, []predictor.JobRecord) {
	records := history(n + n/10)
	var artifact bytes.Buffer
	if err := trained(records[:n]).Encode(&artifact); err != nil {
		b.Fatal(err)
	}
	m, err := Decode(&artifact)
	if err != nil {
		b.Fatal(err)
	}
	return m, records[n:]
}

// BenchmarkEstimate reports the median and the slowest of a hundred, in microseconds.
func BenchmarkEstimate(b *testing.B) {
	for _, n := range lengths[:2] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, next := served(b, n)
			var took []float64
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				m.Estimate(&next[i%len(next)].JobSpec)
				took = append(took, float64(time.Since(start).Nanoseconds())/1e3)
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "us-p50")
			b.ReportMetric(took[len(took)*99/100], "us-p99")
		})
	}
}

// BenchmarkObserve is what a predictor does for each record that it follows.
func BenchmarkObserve(b *testing.B) {
	for _, n := range lengths[:2] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, next := served(b, n)
			for i := 0; b.Loop(); i++ {
				if i > 0 && i%len(next) == 0 {
					b.StopTimer()
					m, next = served(b, n)
					b.StartTimer()
				}
				m.Observe(next[i%len(next)])
			}
		})
	}
}

// BenchmarkRemaining is the estimate for a job that runs.
func BenchmarkRemaining(b *testing.B) {
	m, next := served(b, lengths[0])
	for i := 0; b.Loop(); i++ {
		m.Remaining(&next[i%len(next)].JobSpec, time.Hour)
	}
}
