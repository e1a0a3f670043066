package recommender

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	vpamodel "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

// A family is a made-up CronJob: what its runs need at their peaks, by the day.
type family struct {
	name   string
	memory func(r *rand.Rand, day float64) float64 // GiB
	cores  func(r *rand.Rand, part float64) float64
}

func steadyCores(r *rand.Rand, _ float64) float64 { return 2 * math.Exp(0.05*r.NormFloat64()) }

// phases are one core, and four in a tenth of the run.
func phases(r *rand.Rand, part float64) float64 {
	if part > 0.4 && part < 0.5 {
		return 4
	}
	return math.Exp(0.05 * r.NormFloat64())
}

func rising(r *rand.Rand, part float64) float64 { return (1 + part) * math.Exp(0.05*r.NormFloat64()) }

var families = []family{
	{"steady", func(r *rand.Rand, _ float64) float64 { return 2 * math.Exp(0.01*r.NormFloat64()) }, steadyCores},
	{"noisy", func(r *rand.Rand, _ float64) float64 { return 2 * math.Exp(0.1*r.NormFloat64()) }, rising},
	{"any input", func(r *rand.Rand, _ float64) float64 { return 1 + 3*r.Float64() }, steadyCores},
	{"heavy tail", func(r *rand.Rand, _ float64) float64 { return math.Exp(0.4 * r.NormFloat64()) }, phases},
	{"two kinds", func(r *rand.Rand, _ float64) float64 {
		if r.IntN(5) == 0 {
			return 4 * math.Exp(0.02*r.NormFloat64())
		}
		return math.Exp(0.02 * r.NormFloat64())
	}, rising},
	{"growing", func(r *rand.Rand, day float64) float64 { return (1 + 0.03*day) * math.Exp(0.02*r.NormFloat64()) }, steadyCores},
	{"doubled", func(r *rand.Rand, day float64) float64 { return step(day) * math.Exp(0.02*r.NormFloat64()) }, phases},
}

// runs are those of a family over three weeks, some 40 a day, of half an hour to an
// hour and a half.
func (f *family) runs(r *rand.Rand) (all []predictor.JobRecord) {
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for at := time.Duration(0); at < 21*day; at += time.Duration(r.ExpFloat64() * float64(day) / 40) {
		start := begin.Add(at)
		all = append(all, predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprintf("%s-%d", f.name, len(all)), Namespace: "ml", Name: f.name, Owner: "CronJob/" + f.name, Submitted: start,
				Requests: predictor.Resources{CPUCores: 8, Memory: 8 * gib},
			},
			Started: start, Finished: start.Add(time.Duration((0.5 + r.Float64()) * float64(time.Hour))), Outcome: predictor.Succeeded,
			Usage: predictor.Usage{PeakMemory: predictor.Bytes(f.memory(r, at.Hours()/24) * gib)},
		})
	}
	return all
}

// fewRuns of a family are not judged: both need some to know anything.
const fewRuns = 10

// A run is one of a family, and the cores that its pod uses, minute by minute.
type run struct {
	family string
	predictor.JobRecord
	cores []float64
}

// A sizer lets both recommenders size runs, and counts what that costs by family.
type sizer struct {
	model         *model.Model
	seen          map[string]*vpamodel.AggregateContainerState
	finished      map[string]int
	memory, cores map[string]rivalry
}

// play plays runs. Each gets what the recommenders say at its start, from the runs
// that have finished by then. One with too little memory is killed at its end, which
// the recommender sees that caused it; what the run would have needed both see.
func play(runs []run) *sizer {
	s := &sizer{model.New(1), map[string]*vpamodel.AggregateContainerState{}, map[string]int{}, map[string]rivalry{}, map[string]rivalry{}}
	type event struct {
		at time.Time
		do func()
	}
	var events []event
	for i := range runs {
		r := &runs[i]
		var finish func()
		events = append(events, event{r.Started, func() { finish = s.start(r) }}, event{r.Finished, func() { finish() }})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		e.do()
	}
	return s
}

func (s *sizer) start(r *run) (finish func()) {
	if s.seen[r.family] == nil {
		s.seen[r.family] = vpamodel.NewAggregateContainerState()
	}
	e := s.model.Estimate(&r.JobSpec)
	ours := jobNeeds(&corev1.PodTemplateSpec{Spec: *pod(corev1.ResourceRequirements{})}, &e)["main"]
	judged := !e.Cold && s.finished[r.family] >= fewRuns
	vpaCores, vpaBytes := vpaTarget(s.seen[r.family])
	return func() {
		container := vpamodel.NewContainerState(nil, s.seen[r.family])
		if judged {
			s.pay(r, container, float64(ours[memory].Target), vpaBytes)
			c := s.cores[r.family]
			for _, use := range r.cores {
				c.ours.pay(float64(ours[cpu].Target)/1000, use, 1.0/60)
				c.vpas.pay(vpaCores, use, 1.0/60)
			}
			s.cores[r.family] = c
		}
		s.finished[r.family]++
		s.model.Observe(r.JobRecord)
		container.AddSample(vpaSample(r.Finished, vpamodel.ResourceMemory, float64(r.PeakMemory)))
		for i, use := range r.cores {
			container.AddSample(vpaSample(r.Started.Add(time.Duration(i)*time.Minute), vpamodel.ResourceCPU, use))
		}
	}
}

// pay counts what a run's memory cost, and tells a recommender of the kill it caused.
func (s *sizer) pay(r *run, container *vpamodel.ContainerState, ours, vpas float64) {
	c := s.memory[r.family]
	need, hours := float64(r.PeakMemory), r.Runtime().Hours()
	if ours < need {
		c.ours.kill(ours, need, hours)
		killed := r.JobRecord
		killed.ID += " killed"
		killed.Outcome, killed.OOMKills, killed.PeakMemory = predictor.OOMKilled, 1, predictor.Bytes(ours)
		s.model.Observe(killed)
	} else {
		c.ours.pay(ours, need, hours)
	}
	if vpas < need {
		c.vpas.kill(vpas, need, hours)
		if err := container.RecordOOM(r.Finished, vpamodel.MemoryAmountFromBytes(vpas)); err != nil {
			panic(err)
		}
	} else {
		c.vpas.pay(vpas, need, hours)
	}
	s.memory[r.family] = c
}

// rates are the largest of a run's rates, and that which seven eighths do not exceed, as
// Prometheus has them over two minutes.
func rates(cores []float64) (peak, busy float64) {
	var all []float64
	for k := 1; k < len(cores); k++ {
		all = append(all, (cores[k]+cores[k-1])/2)
	}
	slices.Sort(all)
	return all[len(all)-1], all[7*(len(all)-1)/8]
}

// madeUp sizes the runs of all made-up families.
func madeUp() *sizer {
	const seed = 3
	var all []run
	for i := range families {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		for _, record := range families[i].runs(r) {
			cores := make([]float64, int(record.Runtime().Minutes()))
			for k := range cores {
				cores[k] = families[i].cores(r, float64(k)/float64(len(cores)))
			}
			record.PeakCPUCores, record.BusyCPUCores = rates(cores)
			all = append(all, run{families[i].name, record, cores})
		}
	}
	return play(all)
}

// sum reports each family, and all of them, each counting alike.
func sum(t testing.TB, what string, by map[string]rivalry) (all rivalry) {
	t.Helper()
	for i := range families {
		r := by[families[i].name].scaled()
		r.report(t, what, families[i].name)
		all.add(r)
	}
	all.report(t, what, "all")
	return all
}

// TestJobsAgainstVPA sizes the runs of made-up CronJobs by both recommenders. In all,
// this one wastes less memory and less CPU, no more runs are killed, and no more minutes
// have too little CPU.
func TestJobsAgainstVPA(t *testing.T) {
	s := madeUp()
	sum(t, "memory", s.memory).mustWin(t)
	sum(t, "cpu", s.cores).mustWin(t)
}

func BenchmarkJobsAgainstVPA(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			sum(b, "memory", madeUp().memory)
		}
	})
	b.Run("cpu", func(b *testing.B) {
		for b.Loop() {
			sum(b, "cpu", madeUp().cores)
		}
	})
}

// TestTraceAgainstVPA sizes the runs of a public log of bioinformatics jobs in the same
// way, by name, without what they declare of their inputs: a VPA has one size for all.
func TestTraceAgainstVPA(t *testing.T) {
	file := cmp.Or(os.Getenv("RUNCAST_TRACES"), "../../../shared/traces") + "/tesseract-kinc-gemmaker.csv.gz"
	reader, err := trace.Open(file, trace.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no log: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	records, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var runs []run
	for _, r := range records {
		if r.PeakMemory > 0 && r.Outcome == predictor.Succeeded {
			r.Features = nil
			runs = append(runs, run{r.Namespace + "/" + r.Name, r, nil})
		}
	}
	var all rivalry
	for name, r := range play(runs).memory {
		r.report(t, "memory", name)
		all.add(r)
	}
	all.report(t, "memory", "all")
	all.mustWin(t)
}
