package store

import (
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// TestBetter lists records from the poorest to the best: each one replaces all
// before it and none behind it, nor one that says as much.
func TestBetter(t *testing.T) {
	zero, code := 0.0, int32(0)
	none := predictor.JobRecord{Usage: predictor.Usage{Quality: predictor.QualityNone}}
	sparse := predictor.JobRecord{Usage: predictor.Usage{Quality: predictor.QualitySparse}}
	with := func(r predictor.JobRecord, change func(*predictor.JobRecord)) predictor.JobRecord {
		change(&r)
		return r
	}
	ladder := []predictor.JobRecord{
		{},
		{Outcome: predictor.Failed},
		{Outcome: predictor.Failed, Started: time.Unix(1, 0)},
		{Usage: predictor.Usage{PeakMemory: 1}},
		{Usage: predictor.Usage{PeakMemory: 1, CPUSeconds: &zero}},
		none,
		with(none, func(r *predictor.JobRecord) { r.Outcome = predictor.Succeeded }),
		with(none, func(r *predictor.JobRecord) { r.Outcome, r.ExitCode = predictor.Succeeded, &code }),
		with(none, func(r *predictor.JobRecord) {
			r.Outcome, r.ExitCode, r.Served = predictor.Succeeded, &code, &predictor.Estimate{}
		}),
		sparse,
		with(sparse, func(r *predictor.JobRecord) { r.GPUUtilization = &zero }),
		{Usage: predictor.Usage{Quality: predictor.QualityExact}},
	}
	for i := range ladder {
		for j := range ladder {
			if got := better(&ladder[i], &ladder[j]); got != (i > j) {
				t.Errorf("better(rung %d, rung %d) = %t", i, j, got)
			}
		}
	}
	a, b := predictor.JobRecord{Outcome: predictor.Failed}, predictor.JobRecord{Outcome: predictor.Succeeded}
	if better(&a, &b) || better(&b, &a) {
		t.Error("of two records that say as much as each other, one is better")
	}
}
