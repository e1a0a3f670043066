package rpc

import (
	"slices"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// qualities are in the order of their wire numbers, as predictor.Outcomes are.
var qualities = []predictor.Quality{predictor.QualityExact, predictor.QualitySparse, predictor.QualityNone}

// toOutcome writes the unknown outcome as 0.
func toOutcome(o predictor.Outcome) pb.Outcome {
	return pb.Outcome(slices.Index(predictor.Outcomes, o) + 1)
}

func fromOutcome(v *violations, field string, m pb.Outcome) predictor.Outcome {
	return fromNumber(v, field, int(m), predictor.Outcomes)
}

func toQuality(q predictor.Quality) pb.Quality {
	return pb.Quality(slices.Index(qualities, q) + 1)
}

// fromNumber reads an enumeration whose numbers start at 1; 0 is the empty value.
func fromNumber[T ~string](v *violations, field string, n int, values []T) T {
	if n < 0 || n > len(values) {
		v.add(field, "a known value")
	}
	if n <= 0 || n > len(values) {
		return ""
	}
	return values[n-1]
}

func toRecord(r *predictor.JobRecord) *pb.JobRecord {
	m := &pb.JobRecord{
		Spec:     toJobSpec(&r.JobSpec),
		Started:  toTime(r.Started),
		Finished: toTime(r.Finished),
		Outcome:  toOutcome(r.Outcome),
		ExitCode: r.ExitCode,
		Attempts: toInt32(r.Attempts),
		OomKills: toInt32(r.OOMKills),
		Usage:    toUsage(&r.Usage),
	}
	if r.Served != nil {
		m.Served = toEstimate(r.Served)
	}
	return m
}

func fromRecord(v *violations, m *pb.JobRecord) predictor.JobRecord {
	r := predictor.JobRecord{
		JobSpec:  fromJobSpec(v, m.GetSpec()),
		Started:  fromTime(v, "started", m.GetStarted()),
		Finished: fromTime(v, "finished", m.GetFinished()),
		Outcome:  fromOutcome(v, "outcome", m.GetOutcome()),
		Attempts: int(m.GetAttempts()),
		OOMKills: int(m.GetOomKills()),
		Usage:    fromUsage(v, m.GetUsage()),
	}
	if m != nil {
		r.ExitCode = m.ExitCode
	}
	if m.GetServed() != nil {
		var served violations
		e := fromEstimate(&served, m.GetServed())
		r.Served = &e
		*v = append(*v, served.within("served")...)
	}
	return r
}

func toUsage(u *predictor.Usage) *pb.Usage {
	if *u == (predictor.Usage{}) {
		return nil
	}
	return &pb.Usage{
		PeakMemoryBytes:     int64(u.PeakMemory),
		WorkingSetPeakBytes: int64(u.WorkingSetPeak),
		KernelPeakBytes:     int64(u.KernelPeak),
		CpuSeconds:          u.CPUSeconds,
		PeakCpuCores:        u.PeakCPUCores,
		BusyCpuCores:        u.BusyCPUCores,
		GpuUtilization:      u.GPUUtilization,
		PeakGpuMemoryBytes:  int64(u.PeakGPUMemory),
		GpuShared:           u.GPUShared,
		Quality:             toQuality(u.Quality),
	}
}

func fromUsage(v *violations, m *pb.Usage) predictor.Usage {
	if m == nil {
		return predictor.Usage{}
	}
	return predictor.Usage{
		PeakMemory:     predictor.Bytes(m.GetPeakMemoryBytes()),
		WorkingSetPeak: predictor.Bytes(m.GetWorkingSetPeakBytes()),
		KernelPeak:     predictor.Bytes(m.GetKernelPeakBytes()),
		CPUSeconds:     m.CpuSeconds,
		PeakCPUCores:   m.GetPeakCpuCores(),
		BusyCPUCores:   m.GetBusyCpuCores(),
		GPUUtilization: m.GpuUtilization,
		PeakGPUMemory:  predictor.Bytes(m.GetPeakGpuMemoryBytes()),
		GPUShared:      m.GetGpuShared(),
		Quality:        fromNumber(v, "quality", int(m.GetQuality()), qualities),
	}
}

func toEntry(e *predictor.Entry) *pb.Entry {
	return &pb.Entry{Record: toRecord(&e.JobRecord), Sequence: e.Sequence}
}

func fromEntry(v *violations, m *pb.Entry) predictor.Entry {
	return predictor.Entry{JobRecord: fromRecord(v, m.GetRecord()), Sequence: m.GetSequence()}
}
