package trace_test

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// openLog opens one of the public logs, which are not part of this repository.
func openLog(t testing.TB, file string) *trace.Reader {
	dir := cmp.Or(os.Getenv("RUNCAST_TRACES"), "../../../shared/traces")
	path := filepath.Join(dir, file)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no public log, set RUNCAST_TRACES to their folder: %v", err)
	}
	r, err := trace.Open(path, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// logCounts are what the logs' descriptions, and awk, say is in them.
type logCounts struct{ jobs, succeeded, limits, memory int }

func TestPublicLogs(t *testing.T) {
	for file, want := range map[string]logCounts{
		"google-2011-days-01-14.csv.gz":  {jobs: 323091, succeeded: 191816},
		"LANL-CM5-first-60pct.swf.gz":    {jobs: 73236, succeeded: 61491, limits: 64539, memory: 62768},
		"KTH-SP2-1996-2.1-cln.swf.gz":    {jobs: 28476, succeeded: 20530, limits: 28476},
		"NASA-iPSC-1993-3.1-cln.swf.gz":  {jobs: 18239, succeeded: 18239},
		"philly-first-60pct.csv.gz":      {jobs: 49348, succeeded: 49348},
		"tesseract-kinc-gemmaker.csv.gz": {jobs: 5242, succeeded: 5223, limits: 5242, memory: 5221},
	} {
		t.Run(file, func(t *testing.T) {
			var got logCounts
			for r, err := range openLog(t, file).Records() {
				if err != nil {
					t.Fatal(err)
				}
				got.jobs++
				if r.Outcome == predictor.Succeeded {
					got.succeeded++
				}
				if r.RuntimeLimit > 0 {
					got.limits++
				}
				if r.PeakMemory > 0 {
					got.memory++
				}
				if r.Started.IsZero() || r.Submitted.IsZero() {
					t.Fatalf("%s has no start or no submission", r.ID)
				}
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func BenchmarkReadCSV(b *testing.B) { benchmarkRead(b, "google-2011-days-01-14.csv.gz") }
func BenchmarkReadSWF(b *testing.B) { benchmarkRead(b, "LANL-CM5-first-60pct.swf.gz") }

func benchmarkRead(b *testing.B, file string) {
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range openLog(b, file).Records() {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(n), "records/op")
	}
}
