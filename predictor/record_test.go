package predictor_test

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	. "github.com/runcast/runcast/predictor"
)

func validRecord() JobRecord {
	submitted := time.Unix(1e9, 0).UTC()
	exit := int32(0)
	cpu, gpu := 12.5, 0.75
	return JobRecord{
		JobSpec: validSpec(), Started: submitted.Add(time.Minute), Finished: submitted.Add(time.Hour),
		Outcome: Succeeded, ExitCode: &exit, Attempts: 2, OOMKills: 1,
		Usage: Usage{
			PeakMemory: GiB, WorkingSetPeak: GiB - 1, KernelPeak: GiB + 1, CPUSeconds: &cpu, PeakCPUCores: 1.25, BusyCPUCores: 1,
			GPUUtilization: &gpu, PeakGPUMemory: 3 * GiB, GPUShared: true, Quality: QualityExact,
		},
		Served: &Estimate{
			Runtime:     Quantiles[time.Duration]{P10: 1, P50: 2, P90: 3, P99: 4},
			MeanRuntime: 2, PeakMemory: Exactly(GiB), MemoryRequest: GiB, Source: "owner CronJob/nightly: history", Samples: 9, Model: "m",
		},
	}
}

func TestJobRecordValidate(t *testing.T) {
	nan := math.NaN()
	for name, tt := range map[string]struct {
		change func(*JobRecord)
		want   []string
	}{
		"valid":         {func(*JobRecord) {}, nil},
		"never started": {func(r *JobRecord) { r.Started, r.Outcome = time.Time{}, Cancelled }, nil},
		"unknown outcome and no submission": {
			func(r *JobRecord) { r.Submitted, r.Outcome, r.Usage, r.Served = time.Time{}, "", Usage{}, nil }, nil},
		"no ID":                   {func(r *JobRecord) { r.ID = "" }, []string{"id"}},
		"not finished":            {func(r *JobRecord) { r.Finished = time.Time{} }, []string{"finished", "finished"}},
		"finished before started": {func(r *JobRecord) { r.Started = r.Finished.Add(1) }, []string{"finished"}},
		"started before submitted": {
			func(r *JobRecord) { r.Started = r.Submitted.Add(-1) }, []string{"started"}},
		"started in another age":   {func(r *JobRecord) { r.Started = time.Unix(1<<40, 0) }, []string{"started", "finished"}},
		"outcome":                  {func(r *JobRecord) { r.Outcome = "exploded" }, []string{"outcome"}},
		"attempts":                 {func(r *JobRecord) { r.Attempts = -1 }, []string{"attempts"}},
		"attempts beyond the wire": {func(r *JobRecord) { r.Attempts = math.MaxInt32 + 1 }, []string{"attempts"}},
		"oom kills":                {func(r *JobRecord) { r.OOMKills = -1 }, []string{"oom_kills"}},
		"peak memory":              {func(r *JobRecord) { r.PeakMemory = -1 }, []string{"peak_memory_bytes"}},
		"working set":              {func(r *JobRecord) { r.WorkingSetPeak = MaxMemory + 1 }, []string{"working_set_peak_bytes"}},
		"kernel peak":              {func(r *JobRecord) { r.KernelPeak = -1 }, []string{"kernel_peak_bytes"}},
		"GPU memory":               {func(r *JobRecord) { r.PeakGPUMemory = -1 }, []string{"peak_gpu_memory_bytes"}},
		"CPU seconds":              {func(r *JobRecord) { r.CPUSeconds = &nan }, []string{"cpu_seconds"}},
		"busy CPU":                 {func(r *JobRecord) { r.BusyCPUCores = 2e6 }, []string{"busy_cpu_cores"}},
		"CPU peak":                 {func(r *JobRecord) { r.PeakCPUCores = -1 }, []string{"peak_cpu_cores"}},
		"GPU utilization":          {func(r *JobRecord) { two := 2.0; r.GPUUtilization = &two }, []string{"gpu_utilization"}},
		"quality":                  {func(r *JobRecord) { r.Quality = "good" }, []string{"quality"}},
		"served runtime":           {func(r *JobRecord) { r.Served.Runtime.P50 = 9 }, []string{"served.runtime"}},
		"served memory":            {func(r *JobRecord) { r.Served.PeakMemory.P10 = -1 }, []string{"served.peak_memory"}},
		"served rest": {
			func(r *JobRecord) {
				r.Served.MeanRuntime, r.Served.Samples, r.Served.Source, r.Served.Model, r.Served.MemoryRequest = -1, -1, "\xff", "\xff", -1
			},
			[]string{"served.memory_request_bytes", "served.mean_runtime", "served.samples", "served.source", "served.model"}},
		"spec": {func(r *JobRecord) { r.Pods = -1 }, []string{"pods"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := validRecord()
			tt.change(&r)
			if got := fields(t, r.Validate()); !slices.Equal(got, tt.want) {
				t.Errorf("violations at %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRuntime(t *testing.T) {
	at := time.Unix(1e9, 0)
	for _, tt := range []struct {
		started, finished time.Time
		want              time.Duration
	}{
		{at, at.Add(time.Hour), time.Hour},
		{at, at, 0},
		{time.Time{}, at, 0},
		{at.Add(1), at, 0},
	} {
		if got := (&JobRecord{Started: tt.started, Finished: tt.finished}).Runtime(); got != tt.want {
			t.Errorf("runtime from %v to %v = %v, want %v", tt.started, tt.finished, got, tt.want)
		}
	}
}

func TestCensored(t *testing.T) {
	for _, tt := range []struct {
		outcome         Outcome
		oomKills        int
		runtime, memory bool
	}{
		{Succeeded, 0, false, false},
		{Succeeded, 2, false, false}, // a later attempt succeeded
		{"", 0, false, false},
		{"", 1, false, true},
		{Failed, 0, true, false},
		{Failed, 1, true, true},
		{OOMKilled, 0, true, true},
		{DeadlineExceeded, 0, true, false},
		{Evicted, 0, true, false},
		{Cancelled, 0, true, false},
	} {
		r := JobRecord{Outcome: tt.outcome, OOMKills: tt.oomKills}
		if r.RuntimeCensored() != tt.runtime || r.MemoryCensored() != tt.memory {
			t.Errorf("%q with %d OOM kills: runtime censored %v, memory censored %v", tt.outcome, tt.oomKills, r.RuntimeCensored(), r.MemoryCensored())
		}
	}
}

// JSON is how the store keeps a record.
func TestJobRecordJSON(t *testing.T) {
	want := validRecord()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got JobRecord
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("from %s\ngot  %+v\nwant %+v", b, got, want)
	}
}
