package model

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// Estimate predicts a job from what has been observed so far. It never fails: with
// no history it is the user's own word, and with none of that either the prior of
// everything, marked by Samples == 0.
func (m *Model) Estimate(s *predictor.JobSpec) predictor.Estimate {
	keys := features.KeysOf(s)
	var e predictor.Estimate
	if d, ok := m.forecast(&m.runtime, &keys, time.Time{}); ok {
		e.Runtime = quantiles(m.runtime.calibration.read(&d), time.Second)
		e.MeanRuntime = scale(d.mean(), time.Second)
		e.Samples, e.Cold = d.runs, d.cold
		e.Source = features.Levels[d.level].Describe(s) + ": history"
	} else {
		e = unknown(s)
	}
	e.Runtime = e.Runtime.Capped(s.RuntimeLimit)
	if s.RuntimeLimit > 0 {
		e.MeanRuntime = min(e.MeanRuntime, s.RuntimeLimit)
	}
	if d, ok := m.forecast(&m.memory, &keys, time.Time{}); ok {
		e.PeakMemory = quantiles(m.memory.calibration.read(&d), predictor.Bytes(1))
	}
	return e
}

// unknown is the estimate of a job while no job at all has finished.
func unknown(s *predictor.JobSpec) predictor.Estimate {
	e := predictor.Estimate{Cold: true}
	centre, source := time.Minute, "no history"
	switch {
	case s.ExpectedRuntime > 0:
		centre, source = s.ExpectedRuntime, "expected runtime: the user's word"
	case s.RuntimeLimit > 0:
		centre, source = s.RuntimeLimit/2, "limit: the user's word"
	}
	log := features.LogSeconds(centre)
	e.Runtime = quantiles([4]float64{log - 1, log, log + 1, log + 2}, time.Second)
	e.MeanRuntime, e.Source = e.Runtime.P50, source
	return e
}

// quantiles turns ascending logarithms into amounts of a unit.
func quantiles[T ~int64](log [4]float64, unit T) predictor.Quantiles[T] {
	return predictor.Quantiles[T]{
		P10: scale(math.Exp(log[0]), unit), P50: scale(math.Exp(log[1]), unit),
		P90: scale(math.Exp(log[2]), unit), P99: scale(math.Exp(log[3]), unit),
	}
}

// scale is x units, at most what validates.
func scale[T ~int64](x float64, unit T) T {
	const most = math.MaxInt64 / 2
	return T(min(x*float64(unit), most))
}
