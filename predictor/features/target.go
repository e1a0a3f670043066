package features

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Target is a quantity that is estimated of a job.
type Target int

// The targets, and the units that their logarithms are of.
const (
	Runtime        Target = iota // seconds
	Memory                       // bytes, peak of the largest pod
	CPU                          // cores, peak of the largest pod; where it was not measured, the mean
	GPUMemory                    // bytes, peak of the largest GPU
	GPUUtilization               // share of the time, mean over the GPUs
	NumTargets
)

// A Value is what a run tells of a target: its natural logarithm, or that of a lower
// bound on it if Censored; nothing unless Known. Word is what the user had said, as
// Ask.Words.
type Value struct {
	Log, Word       float64
	Known, Censored bool
}

// A measure is what is kept of what a run was measured to use; zero is not measured.
type measure struct {
	Runtime        time.Duration // at least a millisecond
	Memory         predictor.Bytes
	CPU            predictor.Milli
	GPUMemory      predictor.Bytes
	GPUUtilization predictor.Milli
}

func measureOf(r *predictor.JobRecord) measure {
	m := measure{
		Runtime: min(max(r.Runtime(), shortest), predictor.MaxDuration),
		Memory:  min(max(r.PeakMemory, 0), predictor.MaxMemory),
		CPU:     milli(cpu(&r.Usage), predictor.MaxCores),
	}
	if m.CPU == 0 && r.CPUSeconds != nil {
		m.CPU = milli(*r.CPUSeconds/m.Runtime.Seconds()/float64(r.Gang()), predictor.MaxCores)
	}
	if !r.GPUShared {
		m.GPUMemory = min(max(r.PeakGPUMemory, 0), predictor.MaxMemory)
		if r.GPUUtilization != nil {
			m.GPUUtilization = max(milli(*r.GPUUtilization, 1), 1)
		}
	}
	return m
}

// dear is how much higher than a run's busy cores its peak is not worth a request for
// the whole run. Above it, wasting the difference costs more than an eighth of the time
// with too little, at ten times what is used for as long: the price at which the
// recommender sizes services.
const dear = 1 + 10.0/8

// cpu is the cores that would have cost the run least as a request: its peak, unless that
// is short and much higher than the rest.
func cpu(u *predictor.Usage) float64 {
	if u.BusyCPUCores > 0 && u.PeakCPUCores > dear*u.BusyCPUCores {
		return u.BusyCPUCores
	}
	return u.PeakCPUCores
}

// milli is x in thousandths, from 0 to most; NaN is 0.
func milli(x, most float64) predictor.Milli {
	if !(x > 0) {
		return 0
	}
	return predictor.MilliOf(min(x, most))
}

// valid reports whether m is what measureOf may return.
func (m *measure) valid() bool {
	return m.Runtime >= shortest && m.Runtime <= predictor.MaxDuration &&
		min(m.Memory, m.GPUMemory) >= 0 && max(m.Memory, m.GPUMemory) <= predictor.MaxMemory &&
		m.CPU >= 0 && m.CPU <= predictor.MilliOf(predictor.MaxCores) &&
		m.GPUUtilization >= 0 && m.GPUUtilization <= predictor.MilliOf(1)
}

// values sets what a run tells of the targets.
//
// A run that was stopped from outside (a limit, an eviction, the kernel) would have gone
// on: its values are lower bounds, and independent of what would have come, as Kaplan and
// Meier ask. One that failed or was cancelled ended for a reason of its own, most often
// early: it says nothing of those that succeed. On KTH, taking these for lower bounds
// makes the mean error 14 % larger. A mean is no bound, whenever the run ended.
func (r *Run) values(words [NumTargets]float64) {
	ended := r.Outcome != predictor.Failed && r.Outcome != predictor.Cancelled
	set := func(t Target, known bool, log float64, censored bool) {
		r.Values[t] = Value{Word: words[t]}
		if known {
			r.Values[t] = Value{log, words[t], true, censored}
		}
	}
	set(Runtime, ended, LogSeconds(r.Runtime), r.RuntimeCensored)
	set(Memory, r.Memory > 0 && (ended || r.MemoryCensored), LogBytes(r.Memory), r.RuntimeCensored || r.MemoryCensored)
	set(CPU, r.CPU > 0 && ended, math.Log(r.CPU.Float64()), r.RuntimeCensored)
	set(GPUMemory, r.GPUMemory > 0 && ended, LogBytes(r.GPUMemory), r.RuntimeCensored)
	set(GPUUtilization, r.GPUUtilization > 0 && ended, math.Log(r.GPUUtilization.Float64()), false)
}

// noWord is the logarithm of a word that was not given.
var noWord = math.NaN()

// words returns the user's own word on each target, as a logarithm: on the runtime the
// expectation, else the kill limit; on memory and CPU the requests. NaN is none.
func words(s *predictor.JobSpec) (words [NumTargets]float64) {
	for t := range words {
		words[t] = noWord
	}
	runtime := max(s.RuntimeLimit, 0)
	if s.ExpectedRuntime > 0 {
		runtime = s.ExpectedRuntime
	}
	if runtime > 0 {
		words[Runtime] = LogSeconds(min(runtime, predictor.MaxDuration))
	}
	if s.Requests.Memory > 0 {
		words[Memory] = LogBytes(min(s.Requests.Memory, predictor.MaxMemory))
	}
	if cores := milli(s.Requests.CPUCores, predictor.MaxCores); cores > 0 {
		words[CPU] = math.Log(cores.Float64())
	}
	return words
}

// shortest is the shortest runtime told apart from none: logarithms need a floor.
const shortest = time.Millisecond

// LogSeconds is the natural logarithm of d in seconds, d floored at a millisecond.
func LogSeconds(d time.Duration) float64 { return math.Log(max(d, shortest).Seconds()) }

// LogBytes is the natural logarithm of b in bytes, b floored at one.
func LogBytes(b predictor.Bytes) float64 { return math.Log(float64(max(b, 1))) }
