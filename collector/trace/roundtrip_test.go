package trace_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// write writes records as CSV, with the features they have.
func write(t testing.TB, records []predictor.JobRecord) []byte {
	t.Helper()
	names := map[string]bool{}
	for _, r := range records {
		for name := range r.Features {
			names[name] = true
		}
	}
	var out bytes.Buffer
	w, err := trace.NewWriter(&out, slices.Sorted(maps.Keys(names)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := w.Write(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t testing.TB, name string, data []byte) []predictor.JobRecord {
	t.Helper()
	r, err := trace.NewReader(bytes.NewReader(data), name, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		var want []predictor.JobRecord
		for i := range 40 {
			r := randomRecord(rng, i)
			if err := r.Validate(); err != nil {
				t.Fatalf("round %d: the generator made an invalid record: %v", round, err)
			}
			want = append(want, r)
		}
		file := write(t, want)
		got := read(t, "a.csv", file)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: records differ (-want +got):\n%s", round, diff)
		}
		if again := write(t, got); !bytes.Equal(file, again) {
			t.Fatalf("round %d: written twice, the file differs", round)
		}
	}
}

func TestWriterRefusesUnknownFeature(t *testing.T) {
	w, err := trace.NewWriter(io.Discard, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	r := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "x", Features: map[string]predictor.Feature{"a": {}, "b": {}}}}
	if err := w.Write(&r); err == nil || err.Error() != `write record x: feature "b" is not in the header` {
		t.Fatal(err)
	}
}

func TestOpenGzip(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := io.WriteString(w, "id,finished_seconds\na,1\n")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"a.csv.gz": z.Bytes(),
		"a.csv":    z.Bytes(), // compressed all the same
		"B.CSV.GZ": []byte("id,finished_seconds\na,1\n"),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := trace.Open(path, trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.ReadAll()
		if err != nil || len(got) != 1 || got[0].ID != "a" {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}

	// A file that ends early is not a bad row: it cannot be skipped.
	r, err := trace.NewReader(bytes.NewReader(z.Bytes()[:z.Len()-9]), "cut.csv.gz", trace.Options{SkipBadRows: true})
	if err == nil {
		_, err = r.ReadAll()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "cut.csv.gz") {
		t.Errorf("got %v, expected the file's name and %v", err, io.ErrUnexpectedEOF)
	}
	if _, err := trace.Open(filepath.Join(dir, "none.csv"), trace.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, expected %v", err, os.ErrNotExist)
	}
}

// history is the part of a predictor.History that Export needs.
type history struct {
	predictor.History
	passes [][]predictor.JobRecord // what each reading yields
}

func (h *history) Records(context.Context, time.Time, time.Time) iter.Seq2[predictor.Entry, error] {
	pass := h.passes[0]
	h.passes = h.passes[1:]
	return func(yield func(predictor.Entry, error) bool) {
		for i, r := range pass {
			if !yield(predictor.Entry{JobRecord: r, Sequence: uint64(i + 1)}, nil) {
				return
			}
		}
	}
}

func TestExport(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var want []predictor.JobRecord
	for i := range 20 {
		want = append(want, randomRecord(rng, i))
	}
	var out bytes.Buffer
	n, err := trace.Export(t.Context(), &out, &history{passes: [][]predictor.JobRecord{want, want}}, time.Time{}, time.Time{})
	if err != nil || n != len(want) {
		t.Fatal(n, err)
	}
	if diff := cmp.Diff(want, read(t, "a.csv", out.Bytes())); diff != "" {
		t.Fatal(diff)
	}

	late := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "late", Features: map[string]predictor.Feature{"new": {Number: 1}}}}
	_, err = trace.Export(t.Context(), io.Discard, &history{passes: [][]predictor.JobRecord{nil, {late}}}, time.Time{}, time.Time{})
	if err == nil || !strings.Contains(err.Error(), `late: feature "new"`) {
		t.Fatal(err)
	}
}
