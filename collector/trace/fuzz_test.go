package trace_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

func FuzzCSV(f *testing.F) {
	seed(f, "testdata/csv.txtar", "testdata/csv_bad_rows.txtar", "testdata/csv_errors.txtar")
	f.Fuzz(func(t *testing.T, data []byte) { fuzz(t, "fuzz.csv", data) })
}

func FuzzSWF(f *testing.F) {
	seed(f, "testdata/swf.txtar", "testdata/swf_bad_rows.txtar")
	f.Fuzz(func(t *testing.T, data []byte) { fuzz(t, "fuzz.swf", data) })
}

func seed(f *testing.F, archives ...string) {
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			f.Add(file.Data)
		}
	}
}

// fuzz reads data twice: skipping bad rows yields what a strict reading yields
// before it ends, every record validates, and survives a round trip.
func fuzz(t *testing.T, name string, data []byte) {
	r, err := trace.NewReader(bytes.NewReader(data), name, trace.Options{IgnoreUnknown: true, SkipBadRows: true})
	if err != nil {
		return
	}
	var records []predictor.JobRecord
	for rec, err := range r.Records() {
		if err != nil {
			var row *trace.RowError
			if errors.As(err, &row) {
				t.Fatalf("a bad row ended the reading: %v", err)
			}
			return
		}
		if err := rec.Validate(); err != nil {
			t.Fatalf("yielded %+v: %v", rec, err)
		}
		records = append(records, rec)
	}
	strict, err := trace.NewReader(bytes.NewReader(data), name, trace.Options{IgnoreUnknown: true})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rec, err := range strict.Records() {
		if skipped, _ := r.Skipped(); err != nil && skipped == 0 {
			t.Fatalf("%v, but no row was skipped", err)
		}
		if err == nil {
			if diff := cmp.Diff(records[n], rec, cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
			n++
		}
	}
	if skipped, _ := r.Skipped(); skipped == 0 && n != len(records) {
		t.Fatalf("read %d records strictly, %d otherwise", n, len(records))
	}
	if len(records) > 0 {
		again := read(t, "again.csv", write(t, records))
		if diff := cmp.Diff(records, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	}
}
