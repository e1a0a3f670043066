package predictor

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits that Validate enforces; beyond them a value is taken for a mistake.
const (
	MaxDuration    = 100 * 365 * 24 * time.Hour // longest runtime or limit
	MaxMemory      = 1 << 50 * Bytes(1)         // 1 PiB, per pod
	MaxCores       = 1e6                        // CPU cores or GPUs, per pod
	MaxPods        = 1_000_000                  // gang size
	MaxTextLength  = 16 << 10                   // bytes of any one text field
	MaxFeatures    = 256                        // declared inputs of a job
	maxFeatureName = 256
)

// A JobSpec is all that is known of a job when it is submitted. A predictor
// computes its features from a JobSpec and from records that had finished by
// Submitted, and from nothing else: what only the end tells is in JobRecord.
//
// The zero value of any field means unknown; for a request it also means that
// nothing was asked for.
type JobSpec struct {
	// ID is unique within a history: "namespace/name@created" of a Kubernetes Job
	// (see collector.JobID), or the job number of a trace.
	ID        string    `json:"id,omitzero"`
	Submitted time.Time `json:"submitted,omitzero"`

	Cluster   string `json:"cluster,omitzero"`
	Namespace string `json:"namespace,omitzero"`
	User      string `json:"user,omitzero"`
	Queue     string `json:"queue,omitzero"`
	Name      string `json:"name,omitzero"`
	// Owner is the controller of the Job as Kind/name: "CronJob/nightly".
	Owner string `json:"owner,omitzero"`
	// Family is the user's own history key (annotation runcast.dev/job-family).
	Family string `json:"family,omitzero"`
	Image  string `json:"image,omitzero"`
	// Command is command and arguments of the main container, joined by spaces.
	Command  string `json:"command,omitzero"`
	Priority int32  `json:"priority,omitzero"` // value of the PriorityClass

	Pods     int       `json:"pods,omitzero"` // gang size: pods that run at once; Gang() reads 0 as 1
	Requests Resources `json:"requests,omitzero"`
	// GPUModel and NodeType are what the job asks for, not what it came to run on.
	GPUModel string `json:"gpu_model,omitzero"`
	NodeType string `json:"node_type,omitzero"`

	// RuntimeLimit is a kill limit: no run lasts longer.
	RuntimeLimit time.Duration `json:"runtime_limit,omitzero"`
	// ExpectedRuntime is the user's own estimate. It kills nothing.
	ExpectedRuntime time.Duration `json:"expected_runtime,omitzero"`

	// Features are the inputs declared at submission, by name.
	Features map[string]Feature `json:"features,omitzero"`
}

// Resources are what one pod asks for.
type Resources struct {
	CPUCores float64 `json:"cpu_cores,omitzero"`
	Memory   Bytes   `json:"memory,omitzero"`
	GPUs     float64 `json:"gpus,omitzero"`
}

// Gang is the number of pods that run at once, at least one.
func (s *JobSpec) Gang() int { return max(s.Pods, 1) }

// A Feature is one declared input: a text if Text is not empty, else a number.
type Feature struct {
	Text   string
	Number float64
}

// ParseFeature reads a feature as people write it: a number as JSON writes it is a
// number, everything else a text, so that an identifier such as 007 stays what it is.
func ParseFeature(s string) Feature {
	if json.Valid([]byte(s)) {
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			return Feature{Number: x}
		}
	}
	return Feature{Text: s}
}

// MarshalJSON writes the feature as a JSON string or number.
func (f Feature) MarshalJSON() ([]byte, error) {
	if f.Text != "" {
		return json.Marshal(f.Text)
	}
	return json.Marshal(f.Number)
}

// UnmarshalJSON reads a JSON string or number.
func (f *Feature) UnmarshalJSON(b []byte) error {
	*f = Feature{}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &f.Text)
	}
	return json.Unmarshal(b, &f.Number)
}

// Validate reports every field that breaks an invariant, as a ValidationError
// with the field's path; nil if there is none.
func (s *JobSpec) Validate() error {
	var v violations
	s.validate(&v)
	return v.err()
}

func (s *JobSpec) validate(v *violations) {
	for _, t := range []struct{ field, text string }{
		{"id", s.ID}, {"cluster", s.Cluster}, {"namespace", s.Namespace}, {"user", s.User},
		{"queue", s.Queue}, {"name", s.Name}, {"owner", s.Owner}, {"family", s.Family},
		{"image", s.Image}, {"command", s.Command}, {"gpu_model", s.GPUModel}, {"node_type", s.NodeType},
	} {
		v.text(t.field, t.text)
	}
	v.check("submitted", plausibleTime(s.Submitted), "between the years 1900 and 2200")
	v.check("pods", s.Pods >= 0 && s.Pods <= MaxPods, "from 0 to 1000000")
	v.check("requests.cpu_cores", amount(s.Requests.CPUCores, MaxCores), "from 0 to 1e6 cores")
	v.check("requests.memory_bytes", s.Requests.Memory >= 0 && s.Requests.Memory <= MaxMemory, "from 0 to 1 PiB")
	v.check("requests.gpus", amount(s.Requests.GPUs, MaxCores), "from 0 to 1e6 GPUs")
	v.check("runtime_limit_seconds", span(s.RuntimeLimit), "from 0 to 100 years")
	v.check("expected_runtime_seconds", span(s.ExpectedRuntime), "from 0 to 100 years")
	v.check("features", len(s.Features) <= MaxFeatures, "at most 256")
	v.features(s.Features)
}

// features adds what is wrong with declared inputs, in the order of their names.
func (v *violations) features(features map[string]Feature) {
	first := len(*v)
	for name, f := range features {
		if name == "" || len(name) > maxFeatureName || !utf8.ValidString(name) {
			v.add(featureField(name), "a UTF-8 name of 1 to 256 bytes")
		}
		if math.IsNaN(f.Number) || math.IsInf(f.Number, 0) {
			v.add(featureField(name), "a finite number or a text")
		}
		if !plausibleText(f.Text) {
			v.add(featureField(name), plausibleTextWords)
		}
	}
	slices.SortStableFunc((*v)[first:], func(a, b Violation) int { return strings.Compare(a.Field, b.Field) })
}

func featureField(name string) string { return fmt.Sprintf("features[%.64q]", name) }

func amount(x, limit float64) bool { return x >= 0 && x <= limit } // false for NaN
func span(d time.Duration) bool    { return d >= 0 && d <= MaxDuration }

func plausibleTime(t time.Time) bool {
	return t.IsZero() || t.Year() >= 1900 && t.Year() <= 2200
}
