package sim

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// An Interval is the mean of some samples and its 95 % confidence interval, by
// Student's t. With consecutive parts of a log for samples that is the method of batch
// means.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// NewInterval returns the interval of at least two samples.
func NewInterval(samples []float64) Interval { return newInterval(samples, 0.95) }

func newInterval(samples []float64, confidence float64) Interval {
	n := float64(len(samples))
	var mean, squares float64
	for _, x := range samples {
		mean += x / n
	}
	for _, x := range samples {
		squares += (x - mean) * (x - mean)
	}
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile((1 + confidence) / 2)
	half := t * math.Sqrt(squares/(n-1)/n)
	return Interval{mean, mean - half, mean + half}
}

// Intervals are those of the measures over some samples.
type Intervals struct {
	Samples         int      `json:"samples"`
	MeanFlow        Interval `json:"mean_flow_seconds"`
	MeanWait        Interval `json:"mean_wait_seconds"`
	P95Wait         Interval `json:"p95_wait_seconds"`
	MeanBoundedSlow Interval `json:"mean_bounded_slowdown"`
}

// NewIntervals returns the intervals over at least two samples.
func NewIntervals(samples []Measures) Intervals {
	over := func(of func(*Measures) float64) Interval {
		values := make([]float64, len(samples))
		for i := range samples {
			values[i] = of(&samples[i])
		}
		return NewInterval(values)
	}
	return Intervals{
		Samples:         len(samples),
		MeanFlow:        over(func(m *Measures) float64 { return m.MeanFlow }),
		MeanWait:        over(func(m *Measures) float64 { return m.MeanWait }),
		P95Wait:         over(func(m *Measures) float64 { return m.P95Wait }),
		MeanBoundedSlow: over(func(m *Measures) float64 { return m.MeanBoundedSlow }),
	}
}

// Against is by how many percent of base's mean the mean flow time of the same samples
// under another rule is more, sample by sample: what the samples have in common cancels.
func Against(samples, base []Measures) Interval { return against(samples, base, 0.95) }

func against(samples, base []Measures, confidence float64) Interval {
	var mean float64
	for i := range base {
		mean += base[i].MeanFlow / float64(len(base))
	}
	more := make([]float64, len(samples))
	for i := range samples {
		more[i] = 100 * (samples[i].MeanFlow - base[i].MeanFlow) / mean
	}
	return newInterval(more, confidence)
}
