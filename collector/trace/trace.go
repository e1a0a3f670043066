// Package trace reads and writes histories of finished jobs as files: the
// job-history CSV, and the Standard Workload Format (SWF 2.x) of the Parallel
// Workloads Archive. docs/formats.md describes both for users.
//
// Files are streamed: a reader holds one row, and shares the texts that repeat.
package trace

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// Options say how strictly a file is read. The zero value is strict.
type Options struct {
	// IgnoreUnknown skips the columns of a CSV that have no meaning here, instead
	// of refusing the file.
	IgnoreUnknown bool
	// SkipBadRows leaves rows out that do not read or do not validate, instead of
	// ending at the first; Reader.Skipped counts them.
	SkipBadRows bool
	// SpecsOnly reads a CSV of jobs that have not finished: neither id nor
	// finished_seconds is needed, only the JobSpec of a record is validated, and
	// only that may be used.
	SpecsOnly bool
}

// A Reader yields the records of one file. It is not safe for concurrent use.
type Reader struct {
	rows    rowReader
	opts    Options
	skipped int
	bad     []error
	close   []func() error
}

// rowReader is one format. next returns the next valid record, a *RowError
// after which reading may go on, any other error after which it may not, or io.EOF.
type rowReader interface {
	next() (predictor.JobRecord, error)
}

// maxBadRows is how many errors of skipped rows a Reader remembers.
const maxBadRows = 10

// Open opens a file; its name, without a final .gz, ends in .swf or .csv. Whether
// it is compressed is seen from its first bytes. The header of a CSV is read here:
// what is wrong with it is returned as a *RowError.
func Open(path string, opts Options) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, path, opts)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.close = append(r.close, f.Close)
	return r, nil
}

// NewReader is Open for what is open already. The name chooses the format and
// stands in errors.
func NewReader(in io.Reader, name string, opts Options) (*Reader, error) {
	r := &Reader{opts: opts}
	buf := bufio.NewReaderSize(in, 64<<10)
	if magic, _ := buf.Peek(2); string(magic) == "\x1f\x8b" { // RFC 1952
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.close = append(r.close, z.Close)
		buf = bufio.NewReaderSize(z, 64<<10)
	}
	var err error
	switch ext := filepath.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz")); ext {
	case ".swf":
		r.rows = newSWFReader(buf, name)
	case ".csv":
		r.rows, err = newCSVReader(buf, name, opts)
	default:
		err = fmt.Errorf("%s: expected a name that ends in .csv, .csv.gz, .swf or .swf.gz", name)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Records yields the records in the order of the file, each of which validates.
// It ends after an error: a *RowError, unless bad rows are skipped, or one of
// reading the file. It can be ranged over once.
func (r *Reader) Records() iter.Seq2[predictor.JobRecord, error] {
	return func(yield func(predictor.JobRecord, error) bool) {
		for {
			rec, err := r.rows.next()
			var row *RowError
			switch {
			case errors.Is(err, io.EOF):
				return
			case r.opts.SkipBadRows && errors.As(err, &row):
				if r.skipped++; len(r.bad) < maxBadRows {
					r.bad = append(r.bad, row)
				}
				continue
			case err != nil:
				yield(predictor.JobRecord{}, err)
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// ReadAll collects what Records yields.
func (r *Reader) ReadAll() ([]predictor.JobRecord, error) {
	var all []predictor.JobRecord
	for rec, err := range r.Records() {
		if err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	return all, nil
}

// Skipped returns how many bad rows were left out so far, and the errors of the
// first ten.
func (r *Reader) Skipped() (int, []error) { return r.skipped, r.bad }

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	var errs []error
	for _, c := range r.close {
		errs = append(errs, c())
	}
	r.close = nil
	return errors.Join(errs...)
}
