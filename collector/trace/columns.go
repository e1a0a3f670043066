package trace

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
)

// featurePrefix starts the name of a column that holds a declared input.
const featurePrefix = "feature."

// A column is one known column of the job-history CSV: both directions.
type column struct {
	name string
	// text points to the field of a column of plain text; parse and format are
	// then nil.
	text func(*predictor.JobRecord) *string
	// parse reads a cell that is not empty into the record, and returns what was
	// expected if it cannot.
	parse func(r *predictor.JobRecord, cell string) (expected string)
	// format is the cell, empty if the field is unknown.
	format func(r *predictor.JobRecord) string
}

// columns are the known columns in the order in which a Writer writes them.
var columns = []column{
	text("id", func(r *predictor.JobRecord) *string { return &r.ID }),
	instant("submitted_seconds", func(r *predictor.JobRecord) *time.Time { return &r.Submitted }),
	instant("started_seconds", func(r *predictor.JobRecord) *time.Time { return &r.Started }),
	instant("finished_seconds", func(r *predictor.JobRecord) *time.Time { return &r.Finished }),
	{name: "outcome", parse: parseOutcome, format: func(r *predictor.JobRecord) string { return string(r.Outcome) }},
	text("cluster", func(r *predictor.JobRecord) *string { return &r.Cluster }),
	text("namespace", func(r *predictor.JobRecord) *string { return &r.Namespace }),
	text("user", func(r *predictor.JobRecord) *string { return &r.User }),
	text("queue", func(r *predictor.JobRecord) *string { return &r.Queue }),
	text("name", func(r *predictor.JobRecord) *string { return &r.Name }),
	text("owner", func(r *predictor.JobRecord) *string { return &r.Owner }),
	text("family", func(r *predictor.JobRecord) *string { return &r.Family }),
	text("image", func(r *predictor.JobRecord) *string { return &r.Image }),
	text("command", func(r *predictor.JobRecord) *string { return &r.Command }),
	whole("priority", func(r *predictor.JobRecord) *int32 { return &r.Priority }, math.MinInt32, math.MaxInt32, "a whole number of 32 bits"),
	whole("pods", func(r *predictor.JobRecord) *int { return &r.Pods }, 0, predictor.MaxPods, "a whole number from 0 to 1000000"),
	amount("cpu_request_cores", func(r *predictor.JobRecord) *float64 { return &r.Requests.CPUCores }),
	bytes("memory_request_bytes", func(r *predictor.JobRecord) *predictor.Bytes { return &r.Requests.Memory }),
	amount("gpu_request", func(r *predictor.JobRecord) *float64 { return &r.Requests.GPUs }),
	text("gpu_model", func(r *predictor.JobRecord) *string { return &r.GPUModel }),
	text("node_type", func(r *predictor.JobRecord) *string { return &r.NodeType }),
	span("runtime_limit_seconds", func(r *predictor.JobRecord) *time.Duration { return &r.RuntimeLimit }),
	span("expected_runtime_seconds", func(r *predictor.JobRecord) *time.Duration { return &r.ExpectedRuntime }),
	bytes("peak_memory_bytes", func(r *predictor.JobRecord) *predictor.Bytes { return &r.PeakMemory }),
	measured("cpu_seconds", func(r *predictor.JobRecord) **float64 { return &r.CPUSeconds }),
	measured("gpu_utilization", func(r *predictor.JobRecord) **float64 { return &r.GPUUtilization }),
	bytes("peak_gpu_memory_bytes", func(r *predictor.JobRecord) *predictor.Bytes { return &r.PeakGPUMemory }),
}

// columnOfField names the column of a field that Validate calls otherwise.
var columnOfField = map[string]string{
	"submitted":             "submitted_seconds",
	"started":               "started_seconds",
	"finished":              "finished_seconds",
	"requests.cpu_cores":    "cpu_request_cores",
	"requests.memory_bytes": "memory_request_bytes",
	"requests.gpus":         "gpu_request",
}

const expectTime = "a time in Unix seconds"

func columnNames() string {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	return strings.Join(append(names, featurePrefix+"NAME"), ", ")
}

func text(name string, field func(*predictor.JobRecord) *string) column {
	return column{name: name, text: field}
}

func instant(name string, field func(*predictor.JobRecord) *time.Time) column {
	return column{
		name: name,
		parse: func(r *predictor.JobRecord, cell string) string {
			t, ok := parseTime(cell)
			if !ok {
				return expectTime
			}
			*field(r) = t
			return ""
		},
		format: func(r *predictor.JobRecord) string {
			t := *field(r)
			if t.IsZero() {
				return ""
			}
			return formatSeconds(t.Unix(), int64(t.Nanosecond()))
		},
	}
}

func span(name string, field func(*predictor.JobRecord) *time.Duration) column {
	return column{
		name: name,
		parse: func(r *predictor.JobRecord, cell string) string {
			d, ok := parseDuration(cell)
			if !ok {
				return "a number of seconds from 0 to 100 years"
			}
			*field(r) = d
			return ""
		},
		format: func(r *predictor.JobRecord) string {
			d := *field(r)
			if d == 0 {
				return ""
			}
			return formatSeconds(int64(d/time.Second), int64(d%time.Second))
		},
	}
}

func whole[T int | int32 | predictor.Bytes](name string, field func(*predictor.JobRecord) *T, least, most int64, expected string) column {
	return column{
		name: name,
		parse: func(r *predictor.JobRecord, cell string) string {
			n, ok := parseInt(cell)
			if !ok || n < least || n > most {
				return expected
			}
			*field(r) = T(n)
			return ""
		},
		format: func(r *predictor.JobRecord) string {
			if n := *field(r); n != 0 {
				return strconv.FormatInt(int64(n), 10)
			}
			return ""
		},
	}
}

// bytes leaves the range to the record's own Validate.
func bytes(name string, field func(*predictor.JobRecord) *predictor.Bytes) column {
	return whole(name, field, math.MinInt64, math.MaxInt64, "a whole number of bytes")
}

// amount is a number of which 0 and empty say the same: nothing was asked for.
func amount(name string, field func(*predictor.JobRecord) *float64) column {
	return column{
		name: name,
		parse: func(r *predictor.JobRecord, cell string) string {
			x, ok := parseFloat(cell)
			if !ok {
				return "a number"
			}
			*field(r) = x
			return ""
		},
		format: func(r *predictor.JobRecord) string {
			if x := *field(r); x != 0 {
				return formatFloat(x)
			}
			return ""
		},
	}
}

// measured is a number of which 0 is a measurement and empty is none.
func measured(name string, field func(*predictor.JobRecord) **float64) column {
	return column{
		name: name,
		parse: func(r *predictor.JobRecord, cell string) string {
			x, ok := parseFloat(cell)
			if !ok {
				return "a number"
			}
			*field(r) = &x
			return ""
		},
		format: func(r *predictor.JobRecord) string {
			if x := *field(r); x != nil {
				return formatFloat(*x)
			}
			return ""
		},
	}
}

func parseOutcome(r *predictor.JobRecord, cell string) string {
	o, err := predictor.ParseOutcome(cell)
	if err != nil {
		var known []string
		for _, o := range predictor.Outcomes {
			known = append(known, string(o))
		}
		return "one of " + strings.Join(known, ", ") + " or nothing"
	}
	r.Outcome = o
	return ""
}
