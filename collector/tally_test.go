package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/runcast/runcast/predictor"
)

// A run of two pods with 2 GiB and 2 GPUs each that waited for a minute and then took ten.
func tallied(change func(*predictor.JobRecord)) *predictor.JobRecord {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	half := 0.5
	r := &predictor.JobRecord{
		JobSpec: predictor.JobSpec{ID: "a", Namespace: "ml", Owner: "CronJob/nightly", Submitted: at, Queue: "gpu", Pods: 2, Requests: predictor.Resources{Memory: 2 * predictor.GiB, GPUs: 2}},
		Started: at.Add(time.Minute), Finished: at.Add(11 * time.Minute), Outcome: predictor.Succeeded,
		Usage: predictor.Usage{PeakMemory: predictor.GiB, GPUUtilization: &half, Quality: predictor.QualityExact},
		Served: &predictor.Estimate{
			Runtime:    predictor.Quantiles[time.Duration]{P50: 8 * time.Minute, P90: 12 * time.Minute, P99: 12 * time.Minute},
			PeakMemory: predictor.Exactly(predictor.GiB / 2),
		},
	}
	if change != nil {
		change(r)
	}
	return r
}

func TestFamilyOf(t *testing.T) {
	for _, c := range []struct{ family, owner, name, want string }{
		{"train", "CronJob/nightly", "train", "ml/train"},
		{"", "CronJob/nightly", "nightly-29939040", "ml/CronJob/nightly"},
		{"", "", "sweep-ep5-x7k2p", "ml/sweep-ep5"},
		{"", "", "once", ""},
	} {
		r := tallied(func(r *predictor.JobRecord) { r.Family, r.Owner, r.Name = c.family, c.owner, c.name })
		if got := familyOf(r); got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

func TestTally(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	tally := newTally(reg)
	for _, r := range []*predictor.JobRecord{
		tallied(nil),
		tallied(func(r *predictor.JobRecord) { r.Served = nil }),
		tallied(func(r *predictor.JobRecord) { r.Outcome = predictor.Failed }),
		tallied(func(r *predictor.JobRecord) { r.Outcome, r.OOMKills = predictor.OOMKilled, 1 }),
		tallied(func(r *predictor.JobRecord) { r.Started, r.Outcome = time.Time{}, predictor.Cancelled }),
		tallied(func(r *predictor.JobRecord) { r.GPUShared, r.Family = true, "train" }),
	} {
		tally.ended(r)
		tally.measured(r)
	}
	want := `
runcast_finished_jobs_total{outcome="cancelled",queue="gpu"} 1
runcast_finished_jobs_total{outcome="failed",queue="gpu"} 1
runcast_finished_jobs_total{outcome="oom_killed",queue="gpu"} 1
runcast_finished_jobs_total{outcome="succeeded",queue="gpu"} 3
runcast_served_runs_total{queue="gpu",target="memory"} 2
runcast_served_runs_total{queue="gpu",target="runtime"} 2
runcast_served_runs_within_total{level="p50",queue="gpu",target="memory"} 0
runcast_served_runs_within_total{level="p50",queue="gpu",target="runtime"} 0
runcast_served_runs_within_total{level="p90",queue="gpu",target="memory"} 0
runcast_served_runs_within_total{level="p90",queue="gpu",target="runtime"} 2
runcast_served_runtime_error_seconds_total{queue="gpu"} 240
runcast_served_family_runtime_error_seconds_total{family="ml/CronJob/nightly"} 120
runcast_served_family_runtime_error_seconds_total{family="ml/train"} 120
runcast_served_family_runtime_seconds_total{family="ml/train"} 600
runcast_finished_memory_byte_seconds_total{of="requested",queue="gpu"} 1.288490188800e+13
runcast_finished_memory_byte_seconds_total{of="used",queue="gpu"} 6.442450944e+12
runcast_finished_gpu_seconds_total{of="requested",queue="gpu"} 9600
runcast_finished_gpu_seconds_total{of="used",queue="gpu"} 4800
runcast_finished_wait_seconds_sum{queue="gpu"} 180
runcast_finished_bounded_slowdown_sum{queue="gpu"} 3.3
runcast_served_ratio_sum{queue="gpu",target="runtime"} 2.5
runcast_served_ratio_sum{queue="gpu",target="memory"} 4
`
	text := exposition(t, reg)
	for line := range strings.Lines(strings.TrimSpace(want)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var number float64
		if _, err := fmt.Sscan(value, &number); err != nil {
			t.Fatal(err)
		}
		if got, ok := text[name]; !ok || got < number*0.999999 || got > number*1.000001 {
			t.Errorf("%s is %v (there %t), want %v", name, got, ok, number)
		}
	}
}

// exposition is what a scrape finds, by name with labels.
func exposition(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := func(suffix string) string { return f.GetName() + suffix + "{" + strings.Join(labels, ",") + "}" }
			if h := m.GetHistogram(); h != nil {
				out[name("_sum")] = h.GetSampleSum()
				continue
			}
			out[name("")] = m.GetCounter().GetValue()
		}
	}
	return out
}

// Users name queues and families as they like; the series stay bounded.
func TestTallyIsBounded(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	tally := newTally(reg)
	for i := range 3 * maxChosen {
		tally.ended(tallied(func(r *predictor.JobRecord) {
			r.Queue, r.Owner = fmt.Sprint("q", i%(2*maxChosen)), fmt.Sprint("CronJob/", i%(2*maxChosen))
		}))
	}
	for _, name := range []string{"runcast_finished_jobs_total", "runcast_served_family_runtime_seconds_total"} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != maxChosen+1 {
			t.Errorf("%s: %d series, %v; want %d", name, n, err, maxChosen+1)
		}
	}
}
