package features

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Run is what is remembered of a finished job. All groups of the job share it, and
// nobody changes it while it is shared.
type Run struct {
	// LogRuntime and LogMemory are the logarithms of seconds and bytes.
	LogRuntime, LogMemory float64
	Ask                                   // what was known at submission
	Memory                predictor.Bytes // peak of the largest pod; zero if not measured
	Outcome               predictor.Outcome

	// RuntimeCensored and MemoryCensored mark lower bounds: a successful run would
	// have taken at least as much.
	RuntimeCensored, MemoryCensored bool

	Sequence            uint64 // order of observation, from 1
	Submitted, Finished time.Time
	Runtime             time.Duration // at least a millisecond
	ID, Name            string
}

// An Ask is what a job asks for, in the form in which jobs of a group are compared.
type Ask struct {
	// RuntimeWord is the user's own word on the runtime: the expectation, else the
	// kill limit; zero if there is neither. MemoryWord is the memory request.
	RuntimeWord time.Duration
	MemoryWord  predictor.Bytes
	// LogRuntimeWord and LogMemoryWord are their logarithms, of seconds and bytes.
	LogRuntimeWord, LogMemoryWord float64
	Inputs                        []Input // by kind and ID
}

// AskOf returns what a job asks for.
func AskOf(s *predictor.JobSpec) Ask {
	a := Ask{RuntimeWord: max(s.RuntimeLimit, 0), MemoryWord: min(max(s.Requests.Memory, 0), predictor.MaxMemory), Inputs: inputsOf(s)}
	if s.ExpectedRuntime > 0 {
		a.RuntimeWord = s.ExpectedRuntime
	}
	a.RuntimeWord = min(a.RuntimeWord, predictor.MaxDuration)
	a.LogRuntimeWord, a.LogMemoryWord = LogSeconds(a.RuntimeWord), LogBytes(a.MemoryWord)
	return a
}

// Input returns the value of an input, zero if there is none.
func (a *Ask) Input(id InputID) float64 {
	for i := range a.Inputs {
		if a.Inputs[i].ID == id {
			return a.Inputs[i].Value
		}
	}
	return 0
}

// newRun keeps of a record what the groups remember; nil if it tells nothing, as
// the record of a job that never started.
func newRun(r *predictor.JobRecord) *Run {
	if r.Started.IsZero() || r.Finished.Before(r.Started) {
		return nil
	}
	run := &Run{
		ID: r.ID, Name: r.Name,
		Submitted: Submitted(r), Finished: r.Finished, Outcome: r.Outcome,
		Runtime:         min(max(r.Runtime(), shortest), predictor.MaxDuration),
		Memory:          min(max(r.PeakMemory, 0), predictor.MaxMemory),
		RuntimeCensored: r.RuntimeCensored(), MemoryCensored: r.MemoryCensored(),
		Ask: AskOf(&r.JobSpec),
	}
	run.LogRuntime, run.LogMemory = LogSeconds(run.Runtime), LogBytes(run.Memory)
	return run
}

// Submitted is when a job was submitted, as far as that is known: else when it started.
func Submitted(r *predictor.JobRecord) time.Time {
	if r.Submitted.IsZero() || r.Submitted.After(r.Started) {
		return r.Started
	}
	return r.Submitted
}

// shortest is the shortest runtime told apart from none: logarithms need a floor.
const shortest = time.Millisecond

// LogSeconds is the natural logarithm of d in seconds, d floored at a millisecond.
func LogSeconds(d time.Duration) float64 { return math.Log(max(d, shortest).Seconds()) }

// LogBytes is the natural logarithm of b in bytes, b floored at one.
func LogBytes(b predictor.Bytes) float64 { return math.Log(float64(max(b, 1))) }
