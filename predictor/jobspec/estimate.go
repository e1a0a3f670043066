package jobspec

import (
	"math"
	"strconv"
	"time"

	"github.com/runcast/runcast/predictor"
)

// Annotations writes what the annotations of a Job carry of an estimate: runtimes
// rounded up to whole seconds, memory in bytes, and the model's version. Unknown
// values write no annotation.
func Annotations(e predictor.Estimate) map[string]string {
	a := map[string]string{}
	if !e.Runtime.IsZero() {
		a[AnnotationRuntimeP10] = wholeSeconds(e.Runtime.P10)
		a[AnnotationRuntime] = wholeSeconds(e.Runtime.P50)
		a[AnnotationRuntimeP90] = wholeSeconds(e.Runtime.P90)
	}
	if !e.PeakMemory.IsZero() {
		a[AnnotationPeakMemory] = strconv.FormatInt(int64(e.PeakMemory.P50), 10)
		a[AnnotationPeakMemoryP90] = strconv.FormatInt(int64(e.PeakMemory.P90), 10)
	}
	if e.MemoryRequest > 0 {
		a[AnnotationMemoryRequest] = strconv.FormatInt(int64(e.MemoryRequest), 10)
	}
	if e.Model != "" {
		a[AnnotationModel] = e.Model
	}
	return a
}

func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10)
}

// Served reads back the estimate that Annotations wrote: the one in force at
// submission, and what planning falls back on without a predictor. What the
// annotations do not carry is filled in conservatively: P99 is P90, the mean is
// P50. Nil if there is none; a malformed value counts as none and is reported.
func Served(annotations map[string]string) (*predictor.Estimate, []Problem) {
	var problems []Problem
	number := func(name string, limit int64) int64 {
		v, ok := annotations[name]
		if !ok {
			return 0
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > limit {
			problems = append(problems, Problem{"metadata.annotations[" + name + "]", v, "a whole number from 0 to " + strconv.FormatInt(limit, 10)})
			return 0
		}
		return n
	}
	span := func(name string) time.Duration {
		return time.Duration(number(name, int64(predictor.MaxDuration/time.Second))) * time.Second
	}
	bytes := func(name string) predictor.Bytes { return predictor.Bytes(number(name, int64(predictor.MaxMemory))) }

	e := &predictor.Estimate{Model: text(annotations[AnnotationModel]), Source: "annotations"}
	e.Runtime = monotone(span(AnnotationRuntimeP10), span(AnnotationRuntime), span(AnnotationRuntimeP90))
	e.MeanRuntime = e.Runtime.P50
	e.PeakMemory = monotone(0, bytes(AnnotationPeakMemory), bytes(AnnotationPeakMemoryP90))
	e.MemoryRequest = bytes(AnnotationMemoryRequest)
	if e.Runtime.IsZero() && e.PeakMemory.IsZero() {
		return nil, problems
	}
	return e, problems
}

// monotone makes quantiles of three points; without a median there are none.
func monotone[T ~int64](p10, p50, p90 T) predictor.Quantiles[T] {
	if p50 == 0 {
		return predictor.Quantiles[T]{}
	}
	p90 = max(p50, p90)
	return predictor.Quantiles[T]{P10: min(p10, p50), P50: p50, P90: p90, P99: p90}
}
