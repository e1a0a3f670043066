package recommender

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	vpamodel "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/runcast/runcast/predictor"
)

// A series is what one container uses of one resource, a value a minute.
type series struct {
	name string
	use  func(r *rand.Rand) []float64
}

const (
	minutesADay = 24 * 60
	judgedFrom  = 2 * minutesADay
	minutes     = 21 * minutesADay
)

// every makes a series of a function of the day, with its fraction.
func every(f func(day float64) float64, noise float64) func(*rand.Rand) []float64 {
	return func(r *rand.Rand) []float64 {
		use := make([]float64, minutes)
		for i := range use {
			use[i] = f(float64(i)/minutesADay) * math.Exp(noise*r.NormFloat64())
		}
		return use
	}
}

// with adds events to a series: on average so many a day, each so many minutes long
// and up to so high.
func with(base func(*rand.Rand) []float64, perDay, length, height float64) func(*rand.Rand) []float64 {
	return func(r *rand.Rand) []float64 {
		use := base(r)
		for at := 0.0; ; {
			at += r.ExpFloat64() * minutesADay / perDay
			high := height * (0.5 + r.Float64()/2)
			for i := int(at); i < int(at+length*(0.5+r.Float64())); i++ {
				if i >= len(use) {
					return use
				}
				use[i] = max(use[i], high)
			}
		}
	}
}

func diurnal(d float64) float64 { return 1 + 0.7*math.Sin(2*math.Pi*(d-0.3)) }

func weekly(d float64) float64 {
	if int(d)%7 >= 5 {
		return 0.3 * diurnal(d)
	}
	return diurnal(d)
}

func nightly(d float64) float64 {
	if d-math.Floor(d) < 2.0/24 {
		return 4
	}
	return 0.1
}

func step(d float64) float64 {
	if d < 9 {
		return 1
	}
	return 2
}

// wandering is a random walk around one, on the logarithmic scale.
func wandering(spread float64) func(*rand.Rand) []float64 {
	return func(r *rand.Rand) []float64 {
		use, x := make([]float64, minutes), 0.0
		const keep = 0.999
		for i := range use {
			x = keep*x + math.Sqrt(1-keep*keep)*spread*r.NormFloat64()
			use[i] = math.Exp(x)
		}
		return use
	}
}

// leaking grows from one to three in so many days, and then begins anew.
func leaking(days float64) func(float64) float64 {
	return func(d float64) float64 { return 1 + 2*math.Mod(d, days)/days }
}

var cpuSeries = []series{
	{"steady", every(func(float64) float64 { return 2 }, 0.05)},
	{"noisy", every(func(float64) float64 { return 2 }, 0.3)},
	{"by day", every(diurnal, 0.1)},
	{"by day and week", every(weekly, 0.1)},
	{"growing", every(func(d float64) float64 { return 1 + 0.05*d }, 0.1)},
	{"doubled", every(step, 0.1)},
	{"wandering", wandering(0.4)},
	{"bursts", with(every(func(float64) float64 { return 0.3 }, 0.1), 10, 5, 2)},
	{"nightly", every(nightly, 0.05)},
}

var memorySeries = []series{
	{"steady", every(func(float64) float64 { return 2 * gib }, 0.01)},
	{"by day", every(func(d float64) float64 { return (2 + 0.3*diurnal(d)) * gib }, 0.02)},
	{"by day and week", every(func(d float64) float64 { return (1 + weekly(d)) * gib }, 0.02)},
	{"growing", every(func(d float64) float64 { return (1 + 0.03*d) * gib }, 0.02)},
	{"doubled", every(func(d float64) float64 { return step(d) * gib }, 0.02)},
	{"leaking", every(func(d float64) float64 { return leaking(1.4)(d) * gib }, 0.02)},
	{"leaking slowly", every(func(d float64) float64 { return leaking(6)(d) * gib }, 0.02)},
	{"bursts", with(every(func(float64) float64 { return 0.5 * gib }, 0.02), 4, 10, 2*gib)},
	{"rare bursts", with(every(func(float64) float64 { return gib }, 0.02), 0.3, 20, 2.5*gib)},
}

// replay lets both recommenders look at a series each hour, and counts what each
// minute costs until the next look.
func replay(use []float64, name vpamodel.ResourceName) (c rivalry) {
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	seen := vpamodel.NewAggregateContainerState()
	container := vpamodel.NewContainerState(nil, seen)
	w := workload{usage: map[string][]predictor.ContainerUsage{}}
	var ours, vpas float64
	for i, u := range use {
		now := begin.Add(time.Duration(i) * time.Minute)
		if i >= judgedFrom && i%60 == 0 {
			cores, bytes := vpaTarget(seen)
			w.take(intervals(use[:i], begin, name, w.seen), now)
			needs, _ := w.needs()
			ours, vpas = float64(needs["c"][cpu].Target)/1000, cores
			if name == vpamodel.ResourceMemory {
				ours, vpas = float64(needs["c"][memory].Target), bytes
			}
		}
		if i >= judgedFrom {
			c.ours.pay(ours, u, 1.0/60)
			c.vpas.pay(vpas, u, 1.0/60)
		}
		container.AddSample(vpaSample(now, name, u))
	}
	return c
}

// intervals are those of a series of minutes, of one resource, that end after from.
func intervals(use []float64, begin time.Time, name vpamodel.ResourceName, from time.Time) (all []predictor.ContainerUsage) {
	const length = int(UsageInterval / time.Minute)
	done := 0
	if from.After(begin) {
		done = int(from.Sub(begin) / UsageInterval)
	}
	for i := done * length; i+length <= len(use); i += length {
		u := predictor.ContainerUsage{Container: "c", End: begin.Add(time.Duration(i+length) * time.Minute)}
		for k, x := range use[i : i+length] {
			if name == vpamodel.ResourceCPU {
				u.CPUCores = max(u.CPUCores, (x+use[max(i+k-1, 0)])/2)
			} else {
				u.Memory = max(u.Memory, predictor.Bytes(x))
			}
		}
		all = append(all, u)
	}
	return all
}

// services replays all series of a resource, each counting alike.
func services(t testing.TB, name vpamodel.ResourceName, all []series) (sum rivalry) {
	const seed = 3
	for i, s := range all {
		r := replay(s.use(rand.New(rand.NewPCG(seed, uint64(i)))), name).scaled()
		r.report(t, string(name), s.name)
		sum.add(r)
	}
	sum.report(t, string(name), "all")
	return sum
}

// TestServicesAgainstVPA replays made-up services through both recommenders: in all,
// this one wastes less, and no more minutes are under-provisioned.
func TestServicesAgainstVPA(t *testing.T) {
	services(t, vpamodel.ResourceCPU, cpuSeries).mustWin(t)
	services(t, vpamodel.ResourceMemory, memorySeries).mustWin(t)
}

func BenchmarkServicesAgainstVPA(b *testing.B) {
	for name, all := range map[vpamodel.ResourceName][]series{vpamodel.ResourceCPU: cpuSeries, vpamodel.ResourceMemory: memorySeries} {
		b.Run(string(name), func(b *testing.B) {
			for b.Loop() {
				services(b, name, all)
			}
		})
	}
}
