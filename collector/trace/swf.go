package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
)

// The fields of a line of SWF, in order; the names are those of the standard
// (Feitelson et al., https://www.cs.huji.ac.il/labs/parallel/workload/swf.html).
const (
	swfJob = iota
	swfSubmit
	swfWait
	swfRuntime
	swfProcs
	swfCPUTime
	swfUsedMemory
	swfRequestedProcs
	swfRequestedTime
	swfRequestedMemory
	swfStatus
	swfUser
	swfGroup
	swfExecutable
	swfQueue
	swfPartition
	swfPrecedingJob
	swfThinkTime
	swfFields
)

var swfNames = [swfFields]string{
	"job number", "submit time", "wait time", "run time", "number of allocated processors", "average CPU time used",
	"used memory", "requested number of processors", "requested time", "requested memory", "status", "user ID",
	"group ID", "executable number", "queue number", "partition number", "preceding job number", "think time",
}

// swfReader reads the Standard Workload Format. What becomes of each field is
// described in docs/formats.md.
type swfReader struct {
	file  string
	lines *bufio.Scanner
	line  int
	begin int64 // UnixStartTime of the header: Unix seconds of second 0 of the log
	cells [swfFields]string
	texts texts
}

func newSWFReader(in io.Reader, file string) *swfReader {
	r := &swfReader{file: file, lines: bufio.NewScanner(in), texts: texts{}}
	r.lines.Buffer(nil, 1<<20)
	return r
}

// errPartial is a line about a part of a run, which the job's own line sums up.
var errPartial = errors.New("partial execution")

func (r *swfReader) next() (predictor.JobRecord, error) {
	for r.lines.Scan() {
		r.line++
		line := strings.TrimSpace(r.lines.Text())
		if comment, ok := strings.CutPrefix(line, ";"); ok {
			if err := r.header(comment); err != nil {
				return predictor.JobRecord{}, err
			}
			continue
		}
		if line == "" {
			continue
		}
		rec, err := r.record(line)
		if errors.Is(err, errPartial) {
			continue
		}
		return rec, err
	}
	if err := r.lines.Err(); err != nil {
		return predictor.JobRecord{}, fmt.Errorf("%s:%d: %w", r.file, r.line+1, err)
	}
	return predictor.JobRecord{}, io.EOF
}

// header reads the one header comment that matters.
func (r *swfReader) header(comment string) error {
	name, value, _ := strings.Cut(comment, ":")
	if strings.TrimSpace(name) != "UnixStartTime" {
		return nil
	}
	value = strings.TrimSpace(value)
	number, _, _ := strings.Cut(value, " ")
	begin, ok := parseInt(number)
	if !ok || begin > maxSeconds || begin < -maxSeconds {
		return &RowError{File: r.file, Line: r.line, Column: "UnixStartTime", Expected: expectTime, Got: value}
	}
	r.begin = begin
	return nil
}

func (r *swfReader) record(line string) (predictor.JobRecord, error) {
	var rec predictor.JobRecord
	n := 0
	for cell := range strings.FieldsSeq(line) {
		if n == swfFields {
			break // some derived logs append fields of their own
		}
		r.cells[n] = cell
		n++
	}
	if n < swfFields {
		return rec, &RowError{File: r.file, Line: r.line, Expected: "18 fields", Got: strconv.Itoa(n)}
	}
	if err := r.fill(&rec); err != nil {
		return rec, err
	}
	if err := rec.Validate(); err != nil {
		name, expected := firstViolation(err)
		return rec, &RowError{File: r.file, Line: r.line, Column: name, Expected: expected}
	}
	return rec, nil
}

// fill sets the record from the cells.
func (r *swfReader) fill(rec *predictor.JobRecord) error {
	var x [swfPrecedingJob]float64 // negative is unknown
	for i := range x {
		var ok bool
		if x[i], ok = parseFloat(r.cells[i]); !ok {
			return r.bad(i, "a number")
		}
	}
	switch x[swfStatus] {
	case 0:
		rec.Outcome = predictor.Failed
	case 1, -1: // logs that know no status hold jobs that ran
		rec.Outcome = predictor.Succeeded
	case 2, 3, 4:
		return errPartial
	case 5:
		rec.Outcome = predictor.Cancelled
	default:
		return r.bad(swfStatus, "a status from -1 to 5")
	}
	if x[swfJob] < 0 {
		return r.bad(swfJob, "a number that is not negative")
	}
	rec.ID = strings.Clone(r.cells[swfJob])
	if err := r.setTimes(rec, &x); err != nil {
		return err
	}

	rec.User = r.label("u", x[swfUser])
	rec.Namespace = r.label("g", x[swfGroup])
	rec.Name = r.label("app", x[swfExecutable])
	rec.Queue = r.label("q", x[swfQueue])
	rec.NodeType = r.label("part", x[swfPartition])

	field := swfRequestedProcs
	if x[field] <= 0 {
		field = swfProcs
	}
	pods := max(x[field], 0)
	if pods > predictor.MaxPods {
		return r.bad(field, "at most 1000000 processors")
	}
	rec.Pods = int(pods)
	rec.Requests.CPUCores = 1
	rec.Requests.Memory = kilobytes(x[swfRequestedMemory])
	rec.PeakMemory = kilobytes(x[swfUsedMemory])
	if cpu := x[swfCPUTime]; cpu >= 0 {
		procs := x[swfProcs]
		if procs <= 0 {
			procs = pods
		}
		if procs > 0 {
			total := cpu * procs
			rec.CPUSeconds = &total
		}
	}
	return nil
}

// setTimes sets the points in time and the limit.
func (r *swfReader) setTimes(rec *predictor.JobRecord, x *[swfPrecedingJob]float64) error {
	if x[swfSubmit] < 0 {
		return r.bad(swfSubmit, "a number of seconds that is not negative")
	}
	var span [swfRuntime + 1]time.Duration // of submit, wait and run time
	for i := swfSubmit; i <= swfRuntime; i++ {
		if x[i] < 0 {
			continue
		}
		var ok bool
		if span[i], ok = parseDuration(r.cells[i]); !ok {
			return r.bad(i, "at most 100 years in seconds")
		}
	}
	rec.Submitted = time.Unix(r.begin, 0).UTC().Add(span[swfSubmit])
	rec.Finished = rec.Submitted.Add(span[swfWait])
	ran := x[swfRuntime] > 0 || x[swfRuntime] == 0 && rec.Outcome != predictor.Cancelled
	if ran {
		rec.Started = rec.Finished
		rec.Finished = rec.Started.Add(span[swfRuntime])
	}
	if limit := x[swfRequestedTime]; limit > 0 && limit <= predictor.MaxDuration.Seconds() {
		rec.RuntimeLimit = time.Duration(math.Round(limit * float64(time.Second)))
	}
	return nil
}

// label makes a categorical value of a number: "u12".
func (r *swfReader) label(prefix string, x float64) string {
	if x < 0 {
		return ""
	}
	return r.texts.intern(prefix + formatFloat(x))
}

// kilobytes reads KB per processor; unknown and absurd amounts are 0.
func kilobytes(x float64) predictor.Bytes {
	b := math.Round(x * float64(predictor.KiB))
	if b < 0 || b > float64(predictor.MaxMemory) {
		return 0
	}
	return predictor.Bytes(b)
}

func (r *swfReader) bad(field int, expected string) error {
	return &RowError{File: r.file, Line: r.line, Column: swfNames[field], Expected: expected, Got: strings.Clone(r.cells[field])}
}
