package recommender

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// halfLife is the age at which usage counts half, as VPA's.
const halfLife = 24 * time.Hour

// A level is an amount of use and how much it counts.
type level struct{ value, weight float64 }

// levels are those of samples that have a value, ascending, older ones counting less.
func levels(samples []predictor.ContainerUsage, now time.Time, value func(*predictor.ContainerUsage) float64) []level {
	ls := make([]level, 0, len(samples))
	for i := range samples {
		if v := value(&samples[i]); v > 0 {
			age := max(now.Sub(samples[i].End), 0)
			ls = append(ls, level{v, math.Exp2(-age.Hours() / halfLife.Hours())})
		}
	}
	slices.SortFunc(ls, func(a, b level) int { return cmp.Compare(a.value, b.value) })
	return ls
}

// quantile is the smallest value with at least q of the weight at or below it.
func quantile(ls []level, q float64) float64 {
	var total, below float64
	for _, l := range ls {
		total += l.weight
	}
	for _, l := range ls {
		if below += l.weight; below >= q*total {
			return l.value
		}
	}
	return ls[len(ls)-1].value
}

// shortage is what one interval with too little CPU costs, as a multiple of wasting
// the mean of what is used for as long. Chosen, as cpuHeadroom, on the series of
// BenchmarkServicesAgainstVPA to waste least with no more shortage than VPA has there.
const shortage = 10

// cheapest is the value that costs least as a request: what is not used of it, and
// shortage for the time in which it is not enough.
func cheapest(ls []level) float64 {
	var total, sum float64
	for _, l := range ls {
		total += l.weight
		sum += l.weight * l.value
	}
	price := shortage * sum / total
	best, least := 0.0, math.Inf(1)
	var below, used float64
	for i, l := range ls {
		below += l.weight
		used += l.weight * l.value
		if i+1 < len(ls) && ls[i+1].value == l.value {
			continue
		}
		if cost := l.value*below - used + price*(total-below); cost < least {
			best, least = l.value, cost
		}
	}
	return best
}

// cpuHeadroom is the factor beyond the cheapest request: tomorrow is not today.
const cpuHeadroom = 1.02

// millicores rounds up.
func millicores(cores float64) int64 {
	return int64(math.Ceil(min(max(cores, 0), predictor.MaxCores)*1000 - 1e-6))
}

// cpuNeed is that of a container; false if its CPU is not known.
func cpuNeed(samples []predictor.ContainerUsage, now time.Time) (Need, bool) {
	ls := levels(samples, now, func(u *predictor.ContainerUsage) float64 { return u.CPUCores })
	if len(ls) == 0 {
		return Need{}, false
	}
	target := millicores(cpuHeadroom * cheapest(ls))
	return Need{
		Lower:  min(millicores(quantile(ls, 0.5)), target),
		Target: target,
		Upper:  widened(max(millicores(quantile(ls, 0.95)), target), samples, now),
	}, true
}

// memoryNeed is that of a container; false if its memory is not known. It is the
// largest peak, and a margin.
func memoryNeed(samples []predictor.ContainerUsage, now time.Time) (Need, bool) {
	peaks := dailyPeaks(samples, now)
	if len(peaks) == 0 {
		return Need{}, false
	}
	largest := slices.Max(peaks)
	target := wholeMiB(predictor.Bytes(math.Ceil(float64(largest) * margin(peaks))))
	return Need{
		Lower:  wholeMiB(slices.Min(peaks)),
		Target: target,
		Upper:  wholeMiB(predictor.Bytes(widened(target, samples, now))),
	}, true
}

// dailyPeaks are the largest uses of memory in each day before now, oldest first,
// without days of which nothing is known.
func dailyPeaks(samples []predictor.ContainerUsage, now time.Time) []predictor.Bytes {
	var peaks []predictor.Bytes
	last := time.Duration(-1)
	for i := range samples {
		u := &samples[i]
		if u.Memory <= 0 {
			continue
		}
		if ago := now.Sub(u.End) / day; ago != last {
			last = ago
			peaks = append(peaks, u.Memory)
		}
		peaks[len(peaks)-1] = max(peaks[len(peaks)-1], u.Memory)
	}
	return peaks
}

const (
	// leastMargin is for the peaks between the samples; mostMargin is VPA's, and for
	// what is known for less than knownDays.
	leastMargin, mostMargin = 1.05, 1.15
	knownDays               = 3
)

// margin is the factor by which a day's peak may exceed all before: the next record
// is likely to exceed the largest by as much as that exceeds the second.
func margin(peaks []predictor.Bytes) float64 {
	if len(peaks) < knownDays {
		return mostMargin
	}
	sorted := slices.Sorted(slices.Values(peaks))
	n := len(sorted)
	return min(max(2-float64(sorted[n-2])/float64(sorted[n-1]), leastMargin), mostMargin)
}

// widened is an upper bound, the higher the shorter the history, as VPA has it:
// by 1 + 1/days.
func widened(upper int64, samples []predictor.ContainerUsage, now time.Time) int64 {
	days := max(now.Sub(samples[0].End).Hours()/24, 1.0/24)
	return int64(math.Ceil(float64(upper) * (1 + 1/days)))
}
