package rpc

import (
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// seconds is the wire's value of a duration. It is exact to the nanosecond below
// 26 days, and to one part in 2^52 beyond.
func seconds(d time.Duration) float64 { return d.Seconds() }

func bytesValue(b predictor.Bytes) float64 { return float64(b) }

// toQuantiles writes unknown quantiles as an empty list.
func toQuantiles[T ~int64](q predictor.Quantiles[T], value func(T) float64) []*pb.Quantile {
	if q.IsZero() {
		return nil
	}
	all := make([]pb.Quantile, len(predictor.Levels)) // one allocation for the four
	m := make([]*pb.Quantile, len(all))
	for i, v := range q.Values() {
		all[i].Level, all[i].Value = predictor.Levels[i], value(v)
		m[i] = &all[i]
	}
	return m
}

// fromQuantiles picks the vocabulary's levels and ignores others, which a newer
// peer may add.
func fromQuantiles[T ~int64](v *violations, field string, m []*pb.Quantile, value func(v *violations, field string, x float64) T) predictor.Quantiles[T] {
	if len(m) == 0 {
		return predictor.Quantiles[T]{}
	}
	var values [len(predictor.Levels)]T
	var found [len(predictor.Levels)]bool
	for _, q := range m {
		for i, level := range predictor.Levels {
			if q.GetLevel() == level {
				values[i], found[i] = value(v, field, q.GetValue()), true
			}
		}
	}
	q := predictor.Quantiles[T]{P10: values[0], P50: values[1], P90: values[2], P99: values[3]}
	if found != [...]bool{true, true, true, true} {
		v.add(field, "the levels 0.1, 0.5, 0.9 and 0.99")
	} else if !q.Valid() {
		v.add(field, "values of at least 0 that grow with the level")
	}
	return q
}

func toRuntime(q predictor.Quantiles[time.Duration]) []*pb.Quantile {
	return toQuantiles(q, seconds)
}

func fromRuntime(v *violations, field string, m []*pb.Quantile) predictor.Quantiles[time.Duration] {
	return fromQuantiles(v, field, m, fromSeconds)
}

func fromBytes(v *violations, field string, x float64) predictor.Bytes {
	if !(x >= math.MinInt64 && x < math.MaxInt64) { // NaN as well
		v.add(field, "a number of bytes below 2^63")
		return 0
	}
	return predictor.Bytes(math.Round(x))
}

func fromMilli(v *violations, field string, x float64) predictor.Milli {
	if !(math.Abs(x) < math.MaxInt64/1000) { // NaN as well
		v.add(field, "a number below 9e15")
		return 0
	}
	return predictor.MilliOf(x)
}

func toEstimate(e *predictor.Estimate) *pb.Estimate {
	return &pb.Estimate{
		RuntimeSeconds:     toRuntime(e.Runtime),
		MeanRuntimeSeconds: seconds(e.MeanRuntime),
		PeakMemoryBytes:    toQuantiles(e.PeakMemory, bytesValue),
		MemoryRequestBytes: int64(e.MemoryRequest),
		PeakCpuCores:       toQuantiles(e.PeakCPU, predictor.Milli.Float64),
		PeakGpuMemoryBytes: toQuantiles(e.PeakGPUMemory, bytesValue),
		GpuUtilization:     toQuantiles(e.GPUUtilization, predictor.Milli.Float64),
		Source:             e.Source,
		Samples:            toInt32(e.Samples),
		Cold:               e.Cold,
		Model:              e.Model,
	}
}

func fromEstimate(v *violations, m *pb.Estimate) predictor.Estimate {
	return predictor.Estimate{
		Runtime:        fromRuntime(v, "runtime_seconds", m.GetRuntimeSeconds()),
		MeanRuntime:    fromSeconds(v, "mean_runtime_seconds", m.GetMeanRuntimeSeconds()),
		PeakMemory:     fromQuantiles(v, "peak_memory_bytes", m.GetPeakMemoryBytes(), fromBytes),
		MemoryRequest:  predictor.Bytes(m.GetMemoryRequestBytes()),
		PeakCPU:        fromQuantiles(v, "peak_cpu_cores", m.GetPeakCpuCores(), fromMilli),
		PeakGPUMemory:  fromQuantiles(v, "peak_gpu_memory_bytes", m.GetPeakGpuMemoryBytes(), fromBytes),
		GPUUtilization: fromQuantiles(v, "gpu_utilization", m.GetGpuUtilization(), fromMilli),
		Source:         m.GetSource(),
		Samples:        int(m.GetSamples()),
		Cold:           m.GetCold(),
		Model:          m.GetModel(),
	}
}

func toExplanation(x *predictor.Explanation) *pb.ExplainResponse {
	m := &pb.ExplainResponse{Estimate: toEstimate(&x.Estimate), Text: x.Text}
	for _, g := range x.Groups {
		m.Groups = append(m.Groups, &pb.Group{
			Level: g.Level, Key: g.Key, Samples: toInt32(g.Samples), MedianSeconds: seconds(g.Median), Used: g.Used,
		})
	}
	for _, p := range x.Past {
		m.Past = append(m.Past, &pb.PastRun{
			Id: p.ID, Name: p.Name, Finished: toTime(p.Finished), RuntimeSeconds: seconds(p.Runtime),
			PeakMemoryBytes: int64(p.PeakMemory), Outcome: toOutcome(p.Outcome),
		})
	}
	return m
}

func fromExplanation(v *violations, m *pb.ExplainResponse) predictor.Explanation {
	x := predictor.Explanation{Estimate: fromEstimate(v, m.GetEstimate()), Text: m.GetText()}
	for _, g := range m.GetGroups() {
		x.Groups = append(x.Groups, predictor.Group{
			Level: g.GetLevel(), Key: g.GetKey(), Samples: int(g.GetSamples()),
			Median: fromSeconds(v, "groups.median_seconds", g.GetMedianSeconds()), Used: g.GetUsed(),
		})
	}
	for _, p := range m.GetPast() {
		x.Past = append(x.Past, predictor.PastRun{
			ID: p.GetId(), Name: p.GetName(), Finished: fromTime(v, "past.finished", p.GetFinished()),
			Runtime:    fromSeconds(v, "past.runtime_seconds", p.GetRuntimeSeconds()),
			PeakMemory: predictor.Bytes(p.GetPeakMemoryBytes()), Outcome: fromOutcome(v, "past.outcome", p.GetOutcome()),
		})
	}
	return x
}
