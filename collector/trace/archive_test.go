package trace_test

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/runcast/runcast/collector/store"
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

// TestImportExport takes a log with everything in it through a store and back.
func TestImportExport(t *testing.T) {
	want, err := openLog(t, "tesseract-kinc-gemmaker.csv.gz").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "runcast.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if n, err := s.Put(t.Context(), want); n != len(want) || err != nil {
		t.Fatalf("Put = %d, %v; want %d", n, err, len(want))
	}
	var out bytes.Buffer
	if n, err := trace.Export(t.Context(), &out, s, time.Time{}, time.Time{}); n != len(want) || err != nil {
		t.Fatalf("Export = %d, %v; want %d", n, err, len(want))
	}
	slices.SortFunc(want, func(a, b predictor.JobRecord) int {
		return cmp.Or(a.Finished.Compare(b.Finished), cmp.Compare(a.ID, b.ID))
	})
	if diff := gocmp.Diff(want, read(t, "export.csv", out.Bytes())); diff != "" {
		t.Error(diff)
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
