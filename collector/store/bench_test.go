package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// benchRecords are like those of a log: in order of finish, random ids.
func benchRecords(from, n int) []predictor.JobRecord {
	var records []predictor.JobRecord
	cpu := 12.5
	for i := from; i < from+n; i++ {
		at := time.Unix(1_700_000_000+int64(i), 0).UTC()
		records = append(records, predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprintf("ml/train-%08x@%d", uint32(i)*2654435761, at.Unix()), Submitted: at, Namespace: "ml", User: "ann",
				Name: fmt.Sprint("train-", i%100), Image: "registry.example/train:1.2.3", Pods: 1,
				Requests: predictor.Resources{CPUCores: 2, Memory: 4 * predictor.GiB}, RuntimeLimit: time.Hour,
			},
			Started: at.Add(time.Second), Finished: at.Add(time.Minute), Outcome: predictor.Succeeded,
			Usage: predictor.Usage{PeakMemory: predictor.GiB + predictor.Bytes(i), CPUSeconds: &cpu, Quality: predictor.QualityExact},
		})
	}
	return records
}

// BenchmarkPut puts batches of 10,000 new records.
func BenchmarkPut(b *testing.B) {
	s := newTest(b)
	const batch = 10_000
	n := 0
	for b.Loop() {
		b.StopTimer()
		records := benchRecords(n, batch)
		n += batch
		b.StartTimer()
		if _, err := s.Put(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecords streams 300,000 records.
func BenchmarkRecords(b *testing.B) {
	s := newTest(b)
	const n = 300_000
	for i := 0; i < n; i += 10_000 {
		if _, err := s.Put(b.Context(), benchRecords(i, 10_000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for _, err := range s.Records(b.Context(), time.Time{}, time.Time{}) {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatal(got)
		}
	}
}
