package predictor

import (
	"math"
	"time"
)

// A JobRecord is one finished run of a batch job: what was asked (JobSpec) and
// what came of it. Retries by the Job controller are part of the same record.
//
// Invariants, checked by Validate: ID is set, Finished is set, and
// Submitted <= Started <= Finished as far as they are known. A job that never
// started has no Started. A record is replaced only by a better one of the same ID.
type JobRecord struct {
	JobSpec

	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished"`
	Outcome  Outcome   `json:"outcome,omitzero"`
	ExitCode *int32    `json:"exit_code,omitempty"` // of the main container of the last pod that ended

	// Attempts is the number of pods beyond the gang that were started, plus one,
	// and container restarts; OOMKills counts the containers killed for memory.
	Attempts int `json:"attempts,omitzero"`
	OOMKills int `json:"oom_kills,omitzero"`

	Usage

	// Served is the estimate that was in force when the job was submitted; nil if none was.
	Served *Estimate `json:"served,omitempty"`
}

// Usage is what a run was measured to use. Zero or nil means not measured.
type Usage struct {
	// PeakMemory is the best estimate of the largest pod's peak:
	// max(WorkingSetPeak, KernelPeak - page cache). After an OOM kill it is a
	// lower bound (see MemoryCensored).
	PeakMemory Bytes `json:"peak_memory,omitzero"`
	// WorkingSetPeak is the sampled peak of container_memory_working_set_bytes,
	// biased low; KernelPeak the kernel's high-water mark, biased high by page cache.
	WorkingSetPeak Bytes `json:"working_set_peak,omitzero"`
	KernelPeak     Bytes `json:"kernel_peak,omitzero"`

	CPUSeconds     *float64 `json:"cpu_seconds,omitempty"`     // sum over pods, core-seconds
	PeakCPUCores   float64  `json:"peak_cpu_cores,omitzero"`   // largest pod
	BusyCPUCores   float64  `json:"busy_cpu_cores,omitzero"`   // largest pod: most for seven eighths of its time; zero of a short run
	GPUUtilization *float64 `json:"gpu_utilization,omitempty"` // mean over GPUs and time, 0..1
	PeakGPUMemory  Bytes    `json:"peak_gpu_memory,omitzero"`  // largest GPU, framebuffer
	// GPUShared is set if a GPU of the job served another pod as well, so that
	// GPUUtilization and PeakGPUMemory are not this job's alone.
	GPUShared bool `json:"gpu_shared,omitzero"`

	Quality Quality `json:"quality,omitzero"`
}

// Quality says how well a run's usage is known.
type Quality string

// The tiers, best first. A record read from a file has no tier.
const (
	QualityExact  Quality = "exact"  // lifecycle from the API, at least four usage samples
	QualitySparse Quality = "sparse" // one to three samples, or lifecycle from Prometheus only
	QualityNone   Quality = "none"   // no usage samples
)

// Runtime is Finished - Started, zero if the job never started.
func (r *JobRecord) Runtime() time.Duration {
	if r.Started.IsZero() || r.Finished.Before(r.Started) {
		return 0
	}
	return r.Finished.Sub(r.Started)
}

// RuntimeCensored reports whether Runtime is only a lower bound on what a
// successful run would have taken.
func (r *JobRecord) RuntimeCensored() bool { return r.Outcome != Succeeded && r.Outcome != "" }

// MemoryCensored reports whether PeakMemory is only a lower bound: a container
// was killed for memory and no later attempt succeeded.
func (r *JobRecord) MemoryCensored() bool {
	return r.Outcome == OOMKilled || r.OOMKills > 0 && r.Outcome != Succeeded
}

// Validate reports every field that breaks an invariant, as a ValidationError
// with the field's path; nil if there is none.
func (r *JobRecord) Validate() error {
	var v violations
	r.validate(&v)
	v.check("id", r.ID != "", "not empty")
	v.check("finished", !r.Finished.IsZero() && plausibleTime(r.Finished), "between the years 1900 and 2200")
	v.check("started", plausibleTime(r.Started), "between the years 1900 and 2200")
	v.check("started", r.Started.IsZero() || !r.Started.Before(r.Submitted), "not before submitted")
	v.check("finished", !r.Finished.Before(r.Started) && !r.Finished.Before(r.Submitted), "not before started or submitted")
	_, err := ParseOutcome(string(r.Outcome))
	v.check("outcome", err == nil, "a known outcome")
	v.check("attempts", r.Attempts >= 0 && r.Attempts <= math.MaxInt32, "from 0 to 2147483647")
	v.check("oom_kills", r.OOMKills >= 0 && r.OOMKills <= math.MaxInt32, "from 0 to 2147483647")
	for _, b := range []struct {
		field string
		value Bytes
	}{{"peak_memory_bytes", r.PeakMemory}, {"working_set_peak_bytes", r.WorkingSetPeak}, {"kernel_peak_bytes", r.KernelPeak}, {"peak_gpu_memory_bytes", r.PeakGPUMemory}} {
		v.check(b.field, b.value >= 0 && b.value <= MaxMemory, "from 0 to 1 PiB")
	}
	v.check("cpu_seconds", r.CPUSeconds == nil || amount(*r.CPUSeconds, math.MaxFloat64), "a finite number of at least 0")
	v.check("peak_cpu_cores", amount(r.PeakCPUCores, MaxCores), "from 0 to 1e6 cores")
	v.check("busy_cpu_cores", amount(r.BusyCPUCores, MaxCores), "from 0 to 1e6 cores")
	v.check("gpu_utilization", r.GPUUtilization == nil || amount(*r.GPUUtilization, 1), "from 0 to 1")
	switch r.Quality {
	case "", QualityExact, QualitySparse, QualityNone:
	default:
		v.add("quality", "exact, sparse, none or empty")
	}
	if r.Served != nil {
		v.check("served.runtime", r.Served.Runtime.Valid(), "non-negative and monotone in the level")
		v.check("served.peak_memory", r.Served.PeakMemory.Valid(), "non-negative and monotone in the level")
		v.check("served.peak_cpu_cores", r.Served.PeakCPU.Valid(), "non-negative and monotone in the level")
		v.check("served.peak_gpu_memory", r.Served.PeakGPUMemory.Valid(), "non-negative and monotone in the level")
		v.check("served.gpu_utilization", r.Served.GPUUtilization.Valid(), "non-negative and monotone in the level")
		v.check("served.memory_request_bytes", r.Served.MemoryRequest >= 0 && r.Served.MemoryRequest <= MaxMemory, "from 0 to 1 PiB")
		v.check("served.mean_runtime", r.Served.MeanRuntime >= 0, "not negative")
		v.check("served.samples", r.Served.Samples >= 0, "not negative")
		v.text("served.source", r.Served.Source)
		v.text("served.model", r.Served.Model)
	}
	return v.err()
}
