package model

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// enough runs of its own make an estimate that is not cold.
const enough = 3

// Estimate predicts a job from what has been observed so far. It never fails: with
// no history it is the user's own word, and with none of that either the prior of
// everything, marked by Samples == 0.
func (m *Model) Estimate(s *predictor.JobSpec) predictor.Estimate {
	q := m.question(s)
	defer q.release()
	e := m.estimateRuntime(q, s)
	m.estimateMemory(q, &e)
	e.PeakCPU = estimate(m, features.CPU, q, predictor.Milli(1000))
	e.PeakGPUMemory = estimate(m, features.GPUMemory, q, predictor.Bytes(1))
	e.GPUUtilization = estimate(m, features.GPUUtilization, q, predictor.Milli(1000)).Capped(1000)
	return e
}

// estimate returns the quantiles of a target in a unit.
func estimate[T ~int64](m *Model, of features.Target, q *question, unit T) (amounts predictor.Quantiles[T]) {
	t := &m.targets[of]
	p := m.pool(t, q)
	defer p.release()
	if !p.empty() {
		amounts = quantiles(t.calibration.read(&mixture{distribution: t.distribution(p, q)}), unit)
	}
	return amounts
}

func (m *Model) estimateRuntime(q *question, s *predictor.JobSpec) predictor.Estimate {
	t := &m.targets[features.Runtime]
	p := m.pool(t, q)
	defer p.release()
	e := unknown(s)
	if !p.empty() {
		d := t.distribution(p, q)
		x := mixture{distribution: d}
		if t.tail.weight() >= faintest {
			x = t.tail.mix(d, p.enterLatest(m.ownLatest(q, time.Time{})))
		}
		e = predictor.Estimate{
			Runtime:     quantiles(t.calibration.read(&x), time.Second),
			MeanRuntime: scale(d.mean(), time.Second),
			Samples:     d.exact, Cold: cold(q),
			Source: q.runs.Describe(d.level, s) + ": " + d.family(),
		}
	}
	if limit := m.limits.of(s); limit > 0 {
		e.Runtime, e.MeanRuntime = e.Runtime.Capped(limit), min(e.MeanRuntime, limit)
	}
	return e
}

func (m *Model) estimateMemory(q *question, e *predictor.Estimate) {
	t := &m.targets[features.Memory]
	p := m.pool(t, q)
	defer p.release()
	if !p.empty() {
		x := mixture{distribution: t.distribution(p, q)}
		e.PeakMemory = quantiles(t.calibration.read(&x), predictor.Bytes(1))
		e.MemoryRequest = m.request(q, &x)
	}
}

// question asks about a job as of now. The caller releases it.
func (m *Model) question(s *predictor.JobSpec) *question {
	keys, ask := features.KeysOf(s), features.AskOf(s)
	return newQuestion(s.Submitted, &keys, ask, m.history.View(s, &keys, time.Time{}))
}

// family names the kind of estimator behind a distribution.
func (d *distribution) family() string {
	if d.linear {
		return "regression"
	}
	return "history"
}

// cold reports whether too few runs of the job's own have succeeded.
func cold(q *question) bool {
	for _, level := range q.keys.Own() {
		exact := 0
		for _, r := range q.runs[level] {
			if !r.RuntimeCensored {
				exact++
			}
		}
		if exact >= enough {
			return false
		}
	}
	return true
}

// unknown is the estimate of a job while no job at all has succeeded. The user's
// word is a factor of e off in one case out of ten or so; of limits half is used
// (Tsafrir, Etsion and Feitelson, 2007, and Mu'alem and Feitelson, 2001).
func unknown(s *predictor.JobSpec) predictor.Estimate {
	centre, source := time.Minute, "no history: a guess"
	switch {
	case s.ExpectedRuntime > 0:
		centre, source = s.ExpectedRuntime, "expected runtime: the user's word"
	case s.RuntimeLimit > 0:
		centre, source = s.RuntimeLimit/2, "runtime limit: the user's word"
	}
	log := features.LogSeconds(min(centre, predictor.MaxDuration))
	e := predictor.Estimate{Cold: true, Source: source}
	e.Runtime = quantiles([len(predictor.Levels)]float64{log - 1, log, log + 1, log + 2}, time.Second)
	e.MeanRuntime = e.Runtime.P50
	return e
}

// quantiles turns ascending logarithms into amounts of a unit.
func quantiles[T ~int64](log [len(predictor.Levels)]float64, unit T) predictor.Quantiles[T] {
	at := func(i int) T { return scale(math.Exp(log[i]), unit) }
	return predictor.Quantiles[T]{P10: at(0), P50: at(1), P90: at(2), P99: at(3)}
}

// scale is x units, at most half of what fits, so that two can be added.
func scale[T ~int64](x float64, unit T) T {
	return T(math.Round(min(x*float64(unit), math.MaxInt64/2)))
}
