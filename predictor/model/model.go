package model

import (
	"maps"
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
	targets [features.NumTargets]target
	limits  limits
	choice  choice // of memory requests
}

// New returns a model that has observed nothing. The seed is for the random choices
// that the fit of its trees makes.
func New(seed uint64) *Model {
	m := &Model{seed: seed, history: features.NewState(), choice: choice{groups: map[features.Key]*costs{}}}
	for t := range m.targets {
		m.targets[t] = target{quantity: quantities[t], linear: regressions{}}
		m.targets[t].calibration.smallest = smallest[t]
	}
	m.targets[features.Runtime].tilt = newTilt(seed)
	return m
}

// Records returns how many finished jobs the model has learned from, and when the
// first and the last of them finished.
func (m *Model) Records() (n int, from, to time.Time) { return m.records, m.from, m.to }

// Observe learns from a finished job. Records should come in order of finish;
// others do no harm. A record observed twice changes nothing, one with an ID seen
// before replaces that one.
//
// What the model would have said of the job, from the runs that had finished when
// it was submitted, is compared with what came; that is how it knows its own
// errors without keeping what it said.
func (m *Model) Observe(r predictor.JobRecord) {
	keys := features.KeysOf(&r.JobSpec)
	run, added := m.history.Observe(&r, &keys, func(run *features.Run) {
		m.limits.learn(run, r.RuntimeLimit)
		q := newQuestion(run.Submitted, &keys, run.Ask(), m.history.View(&r.JobSpec, &keys, run.Submitted))
		defer q.release()
		for t := range m.targets {
			m.learn(&m.targets[t], run, q)
		}
	})
	if !added {
		return
	}
	forget(m.choice.groups, m.history)
	for t := range m.targets {
		forget(m.targets[t].linear, m.history)
	}
	m.records++
	if m.records == 1 || run.Finished.Before(m.from) {
		m.from = run.Finished
	}
	if run.Finished.After(m.to) {
		m.to = run.Finished
	}
}

// forget drops what is known of groups that the history has dropped, when there are many.
func forget[M ~map[features.Key]V, V any](groups M, history *features.State) {
	if len(groups) > features.MaxGroups {
		maps.DeleteFunc(groups, func(k features.Key, _ V) bool { return history.Group(k) == nil })
	}
}

// learn compares what the model would have said with what came.
func (m *Model) learn(t *target, run *features.Run, q *question) {
	came := t.of(run)
	if !came.Known || came.Censored {
		return
	}
	m.learnLinear(t, q, came.Log)
	p := m.pool(t, q)
	defer p.release()
	if p.empty() {
		return
	}
	d := p.distribution()
	if t.tilt.rows != nil || t.tilt.forest != nil { // of the runtime
		var x columns
		q.columns(t, &d, &x)
		said := t.tilt.say(&x)
		t.tilt.learn(&d, &x, said, came.Log)
		t.tilt.apply(&d, said)
	}
	x := mixture{distribution: d}
	if t.Target == features.Runtime {
		latest := p.enterLatest(m.ownLatest(q, q.at))
		x = t.tail.mix(d, latest)
		t.learnTail(&d, latest, came.Log)
	}
	if t.Target == features.Memory {
		m.learnRequest(q, &x, run.Memory)
	}
	t.calibration.learn(&x, came.Log)
	t.backoff.learn(p, came.Log)
}

// limits knows whether kill limits are kept. In some histories they are not: they
// count CPU time, or nobody enforces them.
type limits struct{ overrun float64 } // share of the runs, recent ones most

const (
	// A run has broken its limit if it lasted this much longer.
	grace = 1.05
	// Limits cap estimates while at most this share of the runs breaks them.
	tolerated = 0.05
	// newestLimit is the weight of the newest run in that share.
	newestLimit = 0.005
)

func (l *limits) learn(run *features.Run, limit time.Duration) {
	if limit <= 0 {
		return
	}
	broken := 0.0
	if run.Runtime.Seconds() > grace*limit.Seconds() {
		broken = 1
	}
	l.overrun += newestLimit * (broken - l.overrun)
}

// of returns the limit that ends a job, zero if nothing does.
func (l *limits) of(s *predictor.JobSpec) time.Duration {
	if l.overrun > tolerated {
		return 0
	}
	return max(s.RuntimeLimit, 0)
}
