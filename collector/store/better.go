package store

import (
	"cmp"

	"github.com/runcast/runcast/predictor"
)

// better reports whether a record says more about a run than the one that is
// stored: it comes from a better source; or from as good a one and more of its
// usage was measured; or as much, and more is known of its course: how it ended,
// when it was submitted and started, its exit code, the estimate it was given.
//
// The order of sources is that of the quality tiers; a record without a tier,
// which was read from a file, comes last, so that importing what was once
// exported brings nothing back that has got better since, and loses nothing that
// has no column.
//
// Records that say as much as each other are not better: the stored one stays.
func better(r, stored *predictor.JobRecord) bool {
	return cmp.Or(
		cmp.Compare(tier(r.Quality), tier(stored.Quality)),
		cmp.Compare(measured(&r.Usage), measured(&stored.Usage)),
		cmp.Compare(course(r), course(stored)),
	) > 0
}

func tier(q predictor.Quality) int {
	switch q {
	case predictor.QualityExact:
		return 3
	case predictor.QualitySparse:
		return 2
	case predictor.QualityNone:
		return 1
	}
	return 0
}

// measured counts what is known of a usage.
func measured(u *predictor.Usage) int {
	return count(u.PeakMemory != 0, u.WorkingSetPeak != 0, u.KernelPeak != 0, u.CPUSeconds != nil,
		u.PeakCPUCores != 0, u.BusyCPUCores != 0, u.GPUUtilization != nil, u.PeakGPUMemory != 0)
}

// course counts what is known of a run's course.
func course(r *predictor.JobRecord) int {
	return count(r.Outcome != "", !r.Submitted.IsZero(), !r.Started.IsZero(), r.ExitCode != nil, r.Served != nil)
}

func count(known ...bool) int {
	n := 0
	for _, k := range known {
		if k {
			n++
		}
	}
	return n
}
