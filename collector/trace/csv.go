package trace

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// csvReader reads the job-history CSV.
type csvReader struct {
	file  string
	opts  Options
	csv   *csv.Reader
	cols  []field
	texts texts
}

// A field is one column of a file.
type field struct {
	name    string
	known   *column // nil for a feature or a column that is ignored
	feature string  // name of the feature, else empty
}

func newCSVReader(in *bufio.Reader, file string, opts Options) (*csvReader, error) {
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" { // as spreadsheets write it
		if _, err := in.Discard(len(mark)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	r := &csvReader{file: file, opts: opts, csv: csv.NewReader(in), texts: texts{}}
	r.csv.ReuseRecord = true
	r.csv.FieldsPerRecord = -1 // checked here, for the error's sake
	header, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, &RowError{File: file, Line: 1, Expected: "a header that names the columns", Got: "an empty file"}
	}
	if err != nil {
		return nil, r.readError(err)
	}
	if err := r.setHeader(header); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *csvReader) setHeader(header []string) error {
	bad := func(names []string, expected string) error {
		return &RowError{File: r.file, Line: 1, Column: strings.Join(names, ", "), Expected: expected}
	}
	known := map[string]*column{}
	for i := range columns {
		known[columns[i].name] = &columns[i]
	}
	var unknown []string
	seen := map[string]bool{}
	for _, name := range header {
		name = strings.Clone(strings.TrimSpace(name))
		f := field{name: name, known: known[name]}
		if feature, ok := strings.CutPrefix(name, featurePrefix); ok {
			f.feature = feature
		}
		if f.known == nil && f.feature == "" {
			unknown = append(unknown, fmt.Sprintf("%.64q", name))
		} else if seen[name] {
			return bad([]string{name}, "each column once")
		}
		seen[name] = true
		r.cols = append(r.cols, f)
	}
	if len(unknown) > 0 && !r.opts.IgnoreUnknown {
		return bad(unknown, "known columns only ("+columnNames()+"), or unknown ones to be ignored")
	}
	for _, name := range []string{"id", "finished_seconds"} {
		if !seen[name] && !r.opts.SpecsOnly {
			return bad([]string{name}, "this column to be there")
		}
	}
	return nil
}

func (r *csvReader) next() (predictor.JobRecord, error) {
	var rec predictor.JobRecord
	cells, err := r.csv.Read()
	if err != nil {
		return rec, r.readError(err)
	}
	line, _ := r.csv.FieldPos(0)
	if len(cells) != len(r.cols) {
		return rec, &RowError{File: r.file, Line: line,
			Expected: fmt.Sprintf("%d fields as in the header", len(r.cols)), Got: fmt.Sprintf("%d", len(cells))}
	}
	for i, cell := range cells {
		if expected := r.set(&rec, &r.cols[i], cell); expected != "" {
			return rec, r.rowError(line, cells, r.cols[i].name, expected)
		}
	}
	if r.opts.SpecsOnly {
		err = rec.JobSpec.Validate()
	} else if rec.Finished.IsZero() {
		return rec, r.rowError(line, cells, "finished_seconds", expectTime)
	} else {
		err = rec.Validate()
	}
	if err != nil {
		name, expected := firstViolation(err)
		if column, ok := columnOfField[name]; ok {
			name = column
		}
		return rec, r.rowError(line, cells, name, expected)
	}
	return rec, nil
}

// set reads one cell into the record and returns what was expected if it cannot.
func (r *csvReader) set(rec *predictor.JobRecord, f *field, cell string) (expected string) {
	switch {
	case cell == "":
	case f.feature != "":
		if rec.Features == nil {
			rec.Features = map[string]predictor.Feature{}
		}
		value := parseFeature(cell)
		value.Text = r.texts.intern(value.Text)
		rec.Features[f.feature] = value
	case f.known == nil:
	case f.known.text == nil:
		if cell = strings.TrimSpace(cell); cell != "" {
			return f.known.parse(rec, cell)
		}
	case f.name == "id": // no two are equal
		rec.ID = strings.Clone(parseText(cell))
	default:
		*f.known.text(rec) = r.texts.intern(parseText(cell))
	}
	return ""
}

func (r *csvReader) rowError(line int, cells []string, name, expected string) error {
	e := &RowError{File: r.file, Line: line, Column: name, Expected: expected}
	if i := slices.IndexFunc(r.cols, func(f field) bool { return f.name == name }); i >= 0 {
		e.Got = strings.Clone(cells[i])
	}
	return e
}

// readError turns what encoding/csv says about a row into a RowError. A quote that was
// still open at the end of its line has swallowed rows that nobody can tell from text:
// they are not to be skipped as one.
func (r *csvReader) readError(err error) error {
	var p *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return err
	case errors.As(err, &p):
		e := &RowError{File: r.file, Line: p.StartLine, Expected: `fields with a comma, quote or line feed in them to be quoted, and quotes in them doubled`,
			Got: fmt.Sprintf("%v at %d:%d", p.Err, p.Line, p.Column)}
		if p.Line > p.StartLine {
			return errors.New(e.Error())
		}
		return e
	}
	return fmt.Errorf("%s: %w", r.file, err)
}
