package recommender

import (
	"fmt"
	"testing"
	"time"

	vpalogic "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	vpamodel "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
)

// vpaRecommender is VPA's own recommender as it comes (docs/flags.md of its module),
// but for the least that it gives a pod, 25m and 250 MB, which has no part in how well
// it estimates: here it is the same as this recommender's.
var vpaRecommender = vpalogic.CreatePodResourceRecommender(vpalogic.RecommendationConfig{
	SafetyMarginFraction: 0.15, PodMinCPUMillicores: 10, PodMinMemoryMb: 32,
	TargetCPUPercentile: 0.9, LowerBoundCPUPercentile: 0.5, UpperBoundCPUPercentile: 0.95, ConfidenceIntervalCPU: day,
	TargetMemoryPercentile: 0.9, LowerBoundMemoryPercentile: 0.5, UpperBoundMemoryPercentile: 0.95, ConfidenceIntervalMemory: day,
})

// vpaTarget is what VPA's recommender recommends by what it has seen.
func vpaTarget(seen *vpamodel.AggregateContainerState) (cores, bytes float64) {
	seen.UpdateFromPolicy(nil)
	target := vpaRecommender.GetRecommendedPodResources(vpamodel.ContainerNameToAggregateStateMap{"c": seen})["c"].Target
	return vpamodel.CoresFromCPUAmount(target[vpamodel.ResourceCPU]), vpamodel.BytesFromMemoryAmount(target[vpamodel.ResourceMemory])
}

func vpaSample(at time.Time, name vpamodel.ResourceName, use float64) *vpamodel.ContainerUsageSample {
	s := &vpamodel.ContainerUsageSample{MeasureStart: at, Resource: name, Usage: vpamodel.MemoryAmountFromBytes(use)}
	if name == vpamodel.ResourceCPU {
		s.Usage = vpamodel.CPUAmountFromCores(use)
	}
	return s
}

// A bill is what requests have cost over many intervals.
type bill struct {
	used, wasted    float64 // unit-hours; wasted is what was requested and not used
	intervals, less int     // of them in less more was used than requested
}

// pay counts one interval of so many hours.
func (b *bill) pay(request, use, hours float64) {
	b.intervals++
	b.used += use * hours
	if use > request {
		b.less++
		return
	}
	b.wasted += (request - use) * hours
}

// kill counts a run that was killed for memory at its end: all was wasted.
func (b *bill) kill(request, need, hours float64) {
	b.intervals++
	b.less++
	b.used += need * hours
	b.wasted += request * hours
}

func (b *bill) add(o bill) {
	b.used += o.used
	b.wasted += o.wasted
	b.intervals += o.intervals
	b.less += o.less
}

func (b bill) String() string {
	return fmt.Sprintf("wasted %5.1f %% of use, under-provisioned %6.3f %%", 100*b.wasted/b.used, 100*float64(b.less)/float64(b.intervals))
}

// A rivalry is what the same series cost with either recommender.
type rivalry struct{ ours, vpas bill }

func (r *rivalry) add(o rivalry) {
	r.ours.add(o.ours)
	r.vpas.add(o.vpas)
}

// scaled are rivalries in which every series counts alike: as if each had used as much.
func (r rivalry) scaled() rivalry {
	for _, b := range []*bill{&r.ours, &r.vpas} {
		b.wasted /= b.used
		b.used = 1
	}
	return r
}

// report logs a rivalry, in a benchmark as metrics: percent of use wasted, percent of
// intervals under-provisioned.
func (r rivalry) report(t testing.TB, what, name string) {
	t.Helper()
	if b, ok := t.(*testing.B); ok {
		for unit, bill := range map[string]bill{"": r.ours, "-by-VPA": r.vpas} {
			b.ReportMetric(100*bill.wasted/bill.used, "%wasted"+unit)
			b.ReportMetric(100*float64(bill.less)/float64(bill.intervals), "%under"+unit)
		}
		return
	}
	t.Logf("%-7s %-15s  runcast: %v   VPA: %v", what, name, r.ours, r.vpas)
}

// mustWin fails if more is wasted, or more intervals are under-provisioned, than by VPA.
func (r rivalry) mustWin(t testing.TB) {
	t.Helper()
	if r.ours.wasted >= r.vpas.wasted || r.ours.less > r.vpas.less {
		t.Errorf("runcast: %v, VPA: %v", r.ours, r.vpas)
	}
}
