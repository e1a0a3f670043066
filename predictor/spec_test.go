package predictor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/runcast/runcast/predictor"
)

// fields returns the fields that a ValidationError names, nil for no error.
func fields(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v (%T), want a ValidationError", err, err)
	}
	var names []string
	for _, v := range invalid.Violations {
		names = append(names, v.Field)
		if v.Expected == "" || !strings.Contains(err.Error(), v.Field+": expected "+v.Expected) {
			t.Errorf("error %q does not say what %s should be", err, v.Field)
		}
	}
	return names
}

func validSpec() JobSpec {
	return JobSpec{
		ID: "ns/job@1", Submitted: time.Unix(1e9, 0).UTC(), Name: "job", Pods: 3,
		Requests:     Resources{CPUCores: 1.5, Memory: GiB, GPUs: 0.5},
		RuntimeLimit: time.Hour, ExpectedRuntime: time.Minute,
		Features: map[string]Feature{"epochs": {Number: 3}, "dataset": {Text: "mnist"}},
	}
}

func TestJobSpecValidate(t *testing.T) {
	long := strings.Repeat("x", MaxTextLength+1)
	tests := map[string]struct {
		change func(*JobSpec)
		want   []string
	}{
		"valid":              {func(*JobSpec) {}, nil},
		"zero":               {func(s *JobSpec) { *s = JobSpec{} }, nil},
		"largest":            {func(s *JobSpec) { s.Pods, s.Requests.Memory, s.RuntimeLimit = MaxPods, MaxMemory, MaxDuration }, nil},
		"negative pods":      {func(s *JobSpec) { s.Pods = -1 }, []string{"pods"}},
		"too many pods":      {func(s *JobSpec) { s.Pods = MaxPods + 1 }, []string{"pods"}},
		"cores not a number": {func(s *JobSpec) { s.Requests.CPUCores = math.NaN() }, []string{"requests.cpu_cores"}},
		"negative cores":     {func(s *JobSpec) { s.Requests.CPUCores = -0.1 }, []string{"requests.cpu_cores"}},
		"too much memory":    {func(s *JobSpec) { s.Requests.Memory = MaxMemory + 1 }, []string{"requests.memory_bytes"}},
		"infinite GPUs":      {func(s *JobSpec) { s.Requests.GPUs = math.Inf(1) }, []string{"requests.gpus"}},
		"negative limit":     {func(s *JobSpec) { s.RuntimeLimit = -1 }, []string{"runtime_limit_seconds"}},
		"long expectation":   {func(s *JobSpec) { s.ExpectedRuntime = MaxDuration + 1 }, []string{"expected_runtime_seconds"}},
		"ancient":            {func(s *JobSpec) { s.Submitted = time.Unix(-1<<40, 0) }, []string{"submitted"}},
		"far future":         {func(s *JobSpec) { s.Submitted = time.Unix(1<<40, 0) }, []string{"submitted"}},
		"not UTF-8":          {func(s *JobSpec) { s.Command = "\xff" }, []string{"command"}},
		"unnamed feature":    {func(s *JobSpec) { s.Features = map[string]Feature{"": {}} }, []string{`features[""]`}},
		"feature not finite": {func(s *JobSpec) { s.Features["lr"] = Feature{Number: math.Inf(-1)} }, []string{`features["lr"]`}},
		"feature not UTF-8":  {func(s *JobSpec) { s.Features["x"] = Feature{Text: "\xff"} }, []string{`features["x"]`}},
		"feature name not UTF-8": {
			func(s *JobSpec) { s.Features = map[string]Feature{"\xff": {}} }, []string{`features["\xff"]`}},
		"several at once, in order": {
			func(s *JobSpec) {
				s.User, s.Pods = long, -1
				s.Features = map[string]Feature{"c": {Text: long}, "b": {Number: math.NaN()}, "a": {Text: long}, "ok": {}}
			},
			[]string{"user", "pods", `features["a"]`, `features["b"]`, `features["c"]`}},
		"too many features": {
			func(s *JobSpec) {
				for i := range MaxFeatures + 1 {
					s.Features[fmt.Sprint(i)] = Feature{}
				}
			}, []string{"features"}},
	}
	for _, f := range []string{"id", "cluster", "namespace", "user", "queue", "name", "owner", "family", "image", "command", "gpu_model", "node_type"} {
		tests["long "+f] = struct {
			change func(*JobSpec)
			want   []string
		}{func(s *JobSpec) {
			if err := json.Unmarshal(fmt.Appendf(nil, "{%q: %q}", f, long), s); err != nil {
				panic(err)
			}
		}, []string{f}}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := validSpec()
			tt.change(&s)
			if got := fields(t, s.Validate()); !slices.Equal(got, tt.want) {
				t.Errorf("violations at %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGang(t *testing.T) {
	for pods, want := range map[int]int{0: 1, 1: 1, 8: 8} {
		if got := (&JobSpec{Pods: pods}).Gang(); got != want {
			t.Errorf("gang of %d pods = %d, want %d", pods, got, want)
		}
	}
}

func TestFeatureJSON(t *testing.T) {
	for text, want := range map[string]Feature{
		`3`:         {Number: 3},
		`-1.5e300`:  {Number: -1.5e300},
		`"mnist"`:   {Text: "mnist"},
		`"3"`:       {Text: "3"},
		`"\"\\ é "`: {Text: "\"\\ é "},
		`0`:         {},
	} {
		var got Feature
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("decode %s = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{`true`, `{}`, `[1]`, `1e999`, `"`} {
		var f Feature
		if err := json.Unmarshal([]byte(text), &f); err == nil {
			t.Errorf("decode %s = %+v, want an error", text, f)
		}
	}
	if b, err := json.Marshal(Feature{Number: math.NaN()}); err == nil {
		t.Errorf("encode NaN = %s, want an error", b)
	}
}

func TestParseFeature(t *testing.T) {
	for text, want := range map[string]float64{"30": 30, "-1.5": -1.5, "2e6": 2e6, "0": 0} {
		if got := ParseFeature(text); got != (Feature{Number: want}) {
			t.Errorf("%q is %+v, want the number %v", text, got, want)
		}
	}
	for _, text := range []string{"", "resnet", "007", "+1", ".5", "1.", "0x10", "1_000", "1e999", "NaN", "Inf", " 1", "1 ", "null", "true", `"1"`} {
		if got := ParseFeature(text); got != (Feature{Text: text}) {
			t.Errorf("%q is %+v, want the text", text, got)
		}
	}
}

// Whatever decodes is written back to the same feature.
func FuzzFeatureJSON(f *testing.F) {
	for _, s := range []string{`1`, `"x"`, `""`, `null`, `-0`, `1e308`, `"\ud800"`, "\"\xff\"", ` 7`, `{"a":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second Feature
		if json.Unmarshal(b, &first) != nil {
			return
		}
		out, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("%q decodes to %+v, which does not encode: %v", b, first, err)
		}
		if err := json.Unmarshal(out, &second); err != nil || second != first {
			t.Fatalf("%q decodes to %+v, encodes to %s, decodes to %+v (%v)", b, first, out, second, err)
		}
	})
}

func BenchmarkJobSpecValidate(b *testing.B) {
	s := validSpec()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
