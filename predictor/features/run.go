package features

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Run is what is remembered of a finished job. All groups of the job share it.
type Run struct {
	ID, Name            string
	Submitted, Finished time.Time
	Outcome             predictor.Outcome
	Runtime             time.Duration // how long it ran, > 0
	Limit               time.Duration // kill limit, else the user's expectation, else zero
	Memory              predictor.Bytes
	MemoryRequest       predictor.Bytes
	Inputs              []Input

	// RuntimeCensored and MemoryCensored mark lower bounds: a successful run would
	// have taken at least as much.
	RuntimeCensored, MemoryCensored bool

	sequence uint64 // order of observation, from 1
}

// shortest is the shortest runtime told apart from none: logarithms need a floor.
const shortest = time.Millisecond

// NewRun keeps of a record what the groups remember; nil if it tells nothing, as
// the record of a job that never started.
func NewRun(r *predictor.JobRecord) *Run {
	if r.Started.IsZero() || r.Finished.Before(r.Started) {
		return nil
	}
	return &Run{
		ID: r.ID, Name: r.Name,
		Submitted: Submitted(r), Finished: r.Finished, Outcome: r.Outcome,
		Runtime: min(max(r.Runtime(), shortest), predictor.MaxDuration),
		Limit:   Bound(&r.JobSpec),
		Memory:  min(max(r.PeakMemory, 0), predictor.MaxMemory), MemoryRequest: min(max(r.Requests.Memory, 0), predictor.MaxMemory),
		RuntimeCensored: r.RuntimeCensored(), MemoryCensored: r.MemoryCensored(),
		Inputs: InputsOf(&r.JobSpec),
	}
}

// Submitted is when a job was submitted, as far as that is known: else when it started.
func Submitted(r *predictor.JobRecord) time.Time {
	if r.Submitted.IsZero() || r.Submitted.After(r.Started) {
		return r.Started
	}
	return r.Submitted
}

// Bound is the user's own word on the runtime: the kill limit, else the
// expectation, else zero.
func Bound(s *predictor.JobSpec) time.Duration {
	for _, d := range [...]time.Duration{s.RuntimeLimit, s.ExpectedRuntime} {
		if d > 0 {
			return min(d, predictor.MaxDuration)
		}
	}
	return 0
}

// LogSeconds is the natural logarithm of d in seconds, d floored at a millisecond.
func LogSeconds(d time.Duration) float64 { return math.Log(max(d, shortest).Seconds()) }

// LogBytes is the natural logarithm of b in bytes, b floored at one.
func LogBytes(b predictor.Bytes) float64 { return math.Log(float64(max(b, 1))) }
