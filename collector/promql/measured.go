package promql

import (
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

const (
	// enoughSamples makes a usage exact (predictor.QualityExact).
	enoughSamples = 4
	// A pod that ran for this many scrape intervals should have enoughSamples: one
	// may be lost at each end, and cAdvisor's jitter can cost one more.
	enoughScrapes = 7
	// A pod that ran for this many windows of the rate has a distribution of rates: at
	// both ends they rise and fall for as long as a window.
	manyWindows = 10
)

// usage joins what was measured of a job's pods.
func usage(fromAPI bool, pods []measured, scrape time.Duration) predictor.Usage {
	var u predictor.Usage
	var utilization []float64
	most, thin := 0.0, false // the samples of the pod that has most; whether some should have more
	for i := range pods {
		p := &pods[i]
		if p.unanswered {
			return predictor.Usage{Quality: predictor.QualityNone}
		}
		m := p.memory()
		u.WorkingSetPeak = max(u.WorkingSetPeak, memory(m.workingSet))
		u.KernelPeak = max(u.KernelPeak, memory(m.kernel))
		u.PeakMemory = max(u.PeakMemory, memory(m.estimate))
		u.PeakCPUCores = max(u.PeakCPUCores, amount(p.peakCores))
		if p.ran >= manyWindows*rateWindow(scrape) {
			u.BusyCPUCores = max(u.BusyCPUCores, amount(p.busyCores))
		}
		if seconds, ok := p.cpuSeconds(); ok {
			if u.CPUSeconds == nil {
				u.CPUSeconds = new(float64)
			}
			*u.CPUSeconds += seconds
			// Of a pod that ran for less than the rate's window, the mean is nearer.
			u.PeakCPUCores = max(u.PeakCPUCores, amount(seconds/max(p.ran.Seconds(), 1)))
		}
		for _, g := range p.gpus {
			u.PeakGPUMemory = max(u.PeakGPUMemory, memory(g.memory))
			u.GPUShared = u.GPUShared || g.shared
			if share, ok := g.share(); ok {
				utilization = append(utilization, share)
			}
		}
		samples := p.samples()
		most = max(most, samples)
		thin = thin || samples < enoughSamples && p.ran >= enoughScrapes*scrape
	}
	if len(utilization) > 0 {
		mean := min(sum(utilization)/float64(len(utilization)), 1)
		u.GPUUtilization = &mean
	}
	switch {
	case most == 0:
		u.Quality = predictor.QualityNone
	case most >= enoughSamples && !thin && fromAPI:
		u.Quality = predictor.QualityExact
	default:
		u.Quality = predictor.QualitySparse
	}
	return u
}

// A footprint is the memory of one pod, in bytes; zero is not known.
type footprint struct{ workingSet, kernel, estimate float64 }

// memory adds up the containers; see the package comment. The kernel's peak is known
// of a pod if it is of each container that was sampled.
func (m *measured) memory() footprint {
	var first, rest footprint // of init containers the largest, of the others the sum
	complete := true
	for _, c := range m.containers {
		f := c.memory()
		if c.init {
			first = footprint{max(first.workingSet, f.workingSet), max(first.kernel, f.kernel), max(first.estimate, f.estimate)}
			continue
		}
		complete = complete && (f.kernel > 0 || c.samples == 0)
		rest.workingSet += f.workingSet
		rest.kernel += f.kernel
		rest.estimate += f.estimate
	}
	f := footprint{max(first.workingSet, rest.workingSet), max(first.kernel, rest.kernel), max(first.estimate, rest.estimate)}
	if !complete {
		f.kernel = 0
	}
	return f
}

// memory is the largest of the container's instances. Without page cache its
// kernel's peak is a lower bound on what it used, which sampling may have missed;
// where the cache is not known, it is none.
func (c *container) memory() footprint {
	f := footprint{workingSet: c.workingSet, estimate: c.workingSet}
	for id, peak := range c.kernel {
		f.kernel = max(f.kernel, peak)
		if cache, ok := c.cache[id]; ok && peak > 0 {
			f.estimate = max(f.estimate, peak-cache)
		}
	}
	return f
}

// cpuSeconds adds up all instances of all containers; false if there are no samples.
func (m *measured) cpuSeconds() (float64, bool) {
	var seconds []float64
	for _, c := range m.containers {
		for _, v := range c.cpu {
			seconds = append(seconds, v)
		}
	}
	return sum(seconds), len(seconds) > 0
}

// sum adds up in an order of its own, so that the same values always give the same bits.
func sum(values []float64) float64 {
	slices.Sort(values)
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

// samples are those of the container that has most.
func (m *measured) samples() float64 {
	most := 0.0
	for _, c := range m.containers {
		most = max(most, c.samples)
	}
	return most
}

// share is the GPU's utilization, 0..1; false if it is not known. A mean far above 1
// has a sentinel of DCGM in it.
func (g *gpuUse) share() (float64, bool) {
	for _, v := range []*float64{g.utilization, g.engineActive} {
		if v != nil && *v >= 0 && *v <= 1.01 {
			return *v, true
		}
	}
	return 0, false
}
