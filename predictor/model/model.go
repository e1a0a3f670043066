package model

import (
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// A Model estimates jobs from the history it has observed. The same records in the
// same order make the same model.
//
// Any number of goroutines may call Estimate, Remaining, Explain and Encode at
// once, but none while another calls Observe.
type Model struct {
	seed     uint64
	records  int       // observed and new
	from, to time.Time // first and last finish among them

	history *features.State
	runtime target
	memory  target
}

// New returns a model that has observed nothing. The seed is for the random
// choices of estimators that make any.
func New(seed uint64) *Model {
	return &Model{
		seed: seed, history: features.NewState(),
		runtime: target{value: runtimeOf, calibration: newCalibration()},
		memory:  target{value: memoryOf, calibration: newCalibration()},
	}
}

// Records returns how many finished jobs the model has learned from, and when the
// first and the last of them finished.
func (m *Model) Records() (n int, from, to time.Time) { return m.records, m.from, m.to }

// A target is one quantity that is estimated, on a logarithmic scale.
type target struct {
	value       func(*features.Run) observation
	calibration calibration
}

// An observation is what a run tells about a target: the logarithm of its value,
// or of a lower bound on it if censored; nothing unless known.
type observation struct {
	log             float64
	known, censored bool
}

func runtimeOf(r *features.Run) observation {
	return observation{features.LogSeconds(r.Runtime), true, r.RuntimeCensored}
}

func memoryOf(r *features.Run) observation {
	return observation{features.LogBytes(r.Memory), r.Memory > 0, r.MemoryCensored}
}

// Observe learns from a finished job. Records should come in order of finish;
// others do no harm. A record observed twice changes nothing, one with an ID seen
// before replaces that one.
//
// What the model would have said of the job, from the runs that had finished when
// it was submitted, is compared with what came; that is how it knows its own
// errors without keeping what it said.
func (m *Model) Observe(r predictor.JobRecord) {
	keys := features.KeysOf(&r.JobSpec)
	run, added := m.history.Observe(&r, &keys, m.learn)
	if !added {
		return
	}
	m.records++
	if m.records == 1 || run.Finished.Before(m.from) {
		m.from = run.Finished
	}
	if run.Finished.After(m.to) {
		m.to = run.Finished
	}
}

// learn compares what the model would have said with what came, before run is
// part of the history.
func (m *Model) learn(run *features.Run, keys *features.Keys) {
	for _, t := range []*target{&m.runtime, &m.memory} {
		came := t.value(run)
		if !came.known || came.censored {
			continue
		}
		if d, ok := m.forecast(t, keys, run.Submitted); ok {
			t.calibration.learn(&d, came.log)
		}
	}
}
