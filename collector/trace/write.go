package trace

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Writer writes the job-history CSV. Reading it back gives the same records,
// but for the fields that have no column: exit code, attempts, OOM kills, the
// single sources of the memory peak, the CPU peak, sharing of GPUs, quality, and
// the estimate that was served. It is not safe for concurrent use.
type Writer struct {
	csv      *csv.Writer
	features []string
	cells    []string
}

// NewWriter writes a header of all known columns and of the features with the
// given names, in that order.
func NewWriter(w io.Writer, features []string) (*Writer, error) {
	out := &Writer{csv: csv.NewWriter(w), features: slices.Clone(features)}
	for _, c := range columns {
		out.cells = append(out.cells, c.name)
	}
	for _, name := range features {
		out.cells = append(out.cells, featurePrefix+name)
	}
	if err := out.csv.Write(out.cells); err != nil {
		return nil, fmt.Errorf("write header: %w", err)
	}
	return out, nil
}

// Write writes one record. One with a feature that is not in the header is an
// error, and is not written.
func (w *Writer) Write(r *predictor.JobRecord) error {
	w.cells = w.cells[:0]
	for _, c := range columns {
		if c.text != nil {
			w.cells = append(w.cells, formatText(*c.text(r)))
		} else {
			w.cells = append(w.cells, c.format(r))
		}
	}
	written := 0
	for _, name := range w.features {
		cell := ""
		if f, ok := r.Features[name]; ok {
			cell = formatFeature(f)
			written++
		}
		w.cells = append(w.cells, cell)
	}
	if written < len(r.Features) {
		for _, name := range slices.Sorted(maps.Keys(r.Features)) {
			if !slices.Contains(w.features, name) {
				return fmt.Errorf("write record %s: feature %q is not in the header", r.ID, name)
			}
		}
	}
	return w.csv.Write(w.cells)
}

// Flush writes what is buffered and returns the first error of writing, if any.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

// Export writes the records of a history with from <= Finished < to as CSV, in
// order of finish, and returns how many. It reads the history twice, first for
// the names of the features; a feature that first appears between the two is an
// error, and calling again helps.
func Export(ctx context.Context, out io.Writer, h predictor.History, from, to time.Time) (int, error) {
	names := map[string]bool{}
	for e, err := range h.Records(ctx, from, to) {
		if err != nil {
			return 0, err
		}
		for name := range e.Features {
			names[name] = true
		}
	}
	w, err := NewWriter(out, slices.Sorted(maps.Keys(names)))
	if err != nil {
		return 0, err
	}
	n := 0
	for e, err := range h.Records(ctx, from, to) {
		if err != nil {
			return n, err
		}
		if err := w.Write(&e.JobRecord); err != nil {
			return n, err
		}
		n++
	}
	return n, w.Flush()
}
