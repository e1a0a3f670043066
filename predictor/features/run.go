package features

import (
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Run is what is remembered of a finished job. All groups of the job share it, and
// nobody changes it while it is shared.
type Run struct {
	// What estimates read comes first, that of the runtime in one cache line.
	Sequence uint64 // order of observation, from 1
	// RuntimeCensored and MemoryCensored mark lower bounds: a successful run would
	// have taken at least as much.
	RuntimeCensored, MemoryCensored bool
	Inputs
	Values [NumTargets]Value

	measure
	Outcome             predictor.Outcome
	Submitted, Finished time.Time
	ID, Name            string
}

// An Ask is what a job asks for, in the form in which jobs of a group are compared.
type Ask struct {
	// Words are the logarithms of the user's own words on the targets; NaN where there is none.
	Words [NumTargets]float64
	Inputs
}

// AskOf returns what a job asks for.
func AskOf(s *predictor.JobSpec) Ask { return Ask{Words: words(s), Inputs: inputsOf(s)} }

// Ask returns what the run's job asked for.
func (r *Run) Ask() Ask {
	a := Ask{Inputs: r.Inputs}
	for t := range r.Values {
		a.Words[t] = r.Values[t].Word
	}
	return a
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
		measure:         measureOf(r),
		RuntimeCensored: r.RuntimeCensored(), MemoryCensored: r.MemoryCensored(),
		Inputs: inputsOf(&r.JobSpec),
	}
	run.values(words(&r.JobSpec))
	return run
}

// Submitted is when a job was submitted, as far as that is known: else when it started.
func Submitted(r *predictor.JobRecord) time.Time {
	if r.Submitted.IsZero() || r.Submitted.After(r.Started) {
		return r.Started
	}
	return r.Submitted
}
