package predictor

import "time"

// An Estimate predicts one job's successful run.
//
// Quantiles are monotone. With Samples == 0 the Estimate rests on no finished
// job: it is the user's own word or the prior of everything, and Source says so.
type Estimate struct {
	Runtime     Quantiles[time.Duration] `json:"runtime"`
	MeanRuntime time.Duration            `json:"mean_runtime"`         // expected value; what ordering uses
	PeakMemory  Quantiles[Bytes]         `json:"peak_memory,omitzero"` // largest pod; zero if unknown
	// MemoryRequest is what to ask for, for each pod, weighing what is not used against
	// what an OOM kill wastes; zero if unknown.
	MemoryRequest Bytes `json:"memory_request,omitzero"`
	// PeakCPU is the cores of the largest pod at its peak, without peaks that are short and
	// much higher than the rest; PeakGPUMemory the framebuffer of the largest GPU, GPUUtilization the mean share of the GPUs' time, at most 1; zero
	// if unknown.
	PeakCPU        Quantiles[Milli] `json:"peak_cpu,omitzero"`
	PeakGPUMemory  Quantiles[Bytes] `json:"peak_gpu_memory,omitzero"`
	GPUUtilization Quantiles[Milli] `json:"gpu_utilization,omitzero"`

	// Source names the group and the family of model behind the runtime:
	// "owner CronJob/nightly: history".
	Source  string `json:"source"`
	Samples int    `json:"samples"`        // finished runs behind the runtime
	Cold    bool   `json:"cold,omitzero"`  // too few runs of its own group: inherited from a parent
	Model   string `json:"model,omitzero"` // version of the model that made it
}

// An Explanation tells where an Estimate comes from.
type Explanation struct {
	Estimate Estimate
	// Groups are the back-off levels, finest first; exactly one has Used set,
	// unless there is no history at all.
	Groups []Group
	// Past are the finished runs the estimate rests on, newest first, at most twenty.
	Past []PastRun
	// Text says the same in plain words, one sentence a line.
	Text []string
}

// A Group is one level of the back-off hierarchy as it applies to a job.
type Group struct {
	Level   string // "owner", "image", "user" …
	Key     string // its value for this job
	Samples int    // finished runs in it
	Median  time.Duration
	Used    bool
}

// A PastRun is a finished run as an Explanation cites it.
type PastRun struct {
	ID         string
	Name       string
	Finished   time.Time
	Runtime    time.Duration
	PeakMemory Bytes
	Outcome    Outcome
}
