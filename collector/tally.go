package collector

import (
	"cmp"
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// A chosen label has values that users choose: the first maxChosen have series of their
// own, all others count as otherChosen, and jobs without one as noneChosen.
type chosen struct {
	mu  sync.Mutex
	own map[string]bool
}

const (
	maxChosen   = 100
	otherChosen = "other"
	noneChosen  = "none"
)

func (c *chosen) label(value string) string {
	if value == "" {
		return noneChosen
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.own[value] && len(c.own) >= maxChosen {
		return otherChosen
	}
	c.own[value] = true
	return value
}

// A tally counts what became of jobs, by queue, and how well that had been predicted by
// the estimates that the jobs were given. It counts a job twice: when it has ended, and
// when its usage is known.
type tally struct {
	queues, families chosen

	jobs           *prometheus.CounterVec   // by outcome
	wait, slowdown *prometheus.HistogramVec // of what succeeded
	runs           *prometheus.CounterVec   // by target: with an estimate
	within         *prometheus.CounterVec   // by target and level
	ratio          *prometheus.HistogramVec // by target
	runtimeError   *prometheus.CounterVec
	byFamily       familyCounters
	memory, gpus   *prometheus.CounterVec // by what of it
}

// familyCounters add up runtimes with an estimate, and how far they were from its p50.
type familyCounters struct{ runtime, err *prometheus.CounterVec }

// targets of an estimate.
const (
	ofRuntime = "runtime"
	ofMemory  = "memory"
)

// What of a resource: as asked for, and as used.
const (
	requested = "requested"
	used      = "used"
)

func newTally(reg prometheus.Registerer) *tally {
	m := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return m.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"queue"}, labels...))
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return m.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, append([]string{"queue"}, labels...))
	}
	family := func(name, help string) *prometheus.CounterVec {
		return m.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"family"})
	}
	return &tally{
		queues: chosen{own: map[string]bool{}}, families: chosen{own: map[string]bool{}},
		jobs: counter("runcast_finished_jobs_total", "Jobs that ended, by queue and outcome.", "outcome"),
		wait: histogram("runcast_finished_wait_seconds", "Time from submission to start of jobs that succeeded, by queue.",
			prometheus.ExponentialBuckets(1, 2, 18)), // to a day and a half
		slowdown: histogram("runcast_finished_bounded_slowdown", "(wait + runtime) / max(runtime, 10 s), at least 1, of jobs that succeeded, by queue.",
			prometheus.ExponentialBuckets(1, 2, 12)),
		runs: counter("runcast_served_runs_total", "Jobs that succeeded, of which this had been predicted: runtime or memory.", "target"),
		within: counter("runcast_served_runs_within_total",
			"Those of runcast_served_runs_total that stayed at or below a quantile they had been given: p50, p90.", "target", "level"),
		ratio: histogram("runcast_served_ratio", "What came, divided by the p50 that had been predicted of it: runtime or memory.",
			[]float64{0.125, 0.25, 0.5, 0.8, 1, 1.25, 2, 4, 8}, "target"),
		runtimeError: counter("runcast_served_runtime_error_seconds_total", "Sum of the absolute differences of runtimes from the p50 predicted."),
		byFamily: familyCounters{
			runtime: family("runcast_served_family_runtime_seconds_total", "Sum of the runtimes of jobs that succeeded and had been given an estimate, by family."),
			err:     family("runcast_served_family_runtime_error_seconds_total", "Sum of the absolute differences of these runtimes from the p50 predicted, by family."),
		},
		memory: counter("runcast_finished_memory_byte_seconds_total",
			"Memory of measured jobs times their runtime, over all pods: requested, and used at its peak.", "of"),
		gpus: counter("runcast_finished_gpu_seconds_total",
			"GPUs of measured jobs times their runtime: requested, and used, which is that times the utilization.", "of"),
	}
}

// familyOf is what a job says that it is one of, the controller that it comes from, or the
// generateName of its runs, in its namespace; empty if it is a run of nothing.
func familyOf(r *predictor.JobRecord) string {
	name := cmp.Or(r.Family, r.Owner)
	if run := features.RunName(&r.JobSpec); name == "" && run != r.Name {
		name = run
	}
	if name == "" {
		return ""
	}
	return r.Namespace + "/" + name
}

// ended counts a job that has ended.
func (t *tally) ended(r *predictor.JobRecord) {
	queue := t.queues.label(r.Queue)
	t.jobs.WithLabelValues(queue, string(r.Outcome)).Inc()
	if r.Outcome != predictor.Succeeded || r.Started.IsZero() {
		return
	}
	runtime := r.Runtime().Seconds()
	if !r.Submitted.IsZero() {
		wait := r.Started.Sub(r.Submitted).Seconds()
		t.wait.WithLabelValues(queue).Observe(wait)
		t.slowdown.WithLabelValues(queue).Observe(max(1, (wait+runtime)/max(runtime, 10)))
	}
	if r.Served != nil && !r.Served.Runtime.IsZero() {
		q := r.Served.Runtime
		t.served(queue, ofRuntime, runtime, q.P50.Seconds(), q.P90.Seconds())
		off := math.Abs(runtime - q.P50.Seconds())
		t.runtimeError.WithLabelValues(queue).Add(off)
		family := t.families.label(familyOf(r))
		t.byFamily.runtime.WithLabelValues(family).Add(runtime)
		t.byFamily.err.WithLabelValues(family).Add(off)
	}
}

// measured counts a job whose usage is known.
func (t *tally) measured(r *predictor.JobRecord) {
	if r.Started.IsZero() {
		return
	}
	queue, runtime := t.queues.label(r.Queue), r.Runtime().Seconds()
	pods := float64(r.Gang())
	if r.PeakMemory > 0 && r.Requests.Memory > 0 {
		t.memory.WithLabelValues(queue, requested).Add(pods * float64(r.Requests.Memory) * runtime)
		t.memory.WithLabelValues(queue, used).Add(pods * float64(r.PeakMemory) * runtime)
	}
	if u := r.GPUUtilization; u != nil && !r.GPUShared && r.Requests.GPUs > 0 {
		t.gpus.WithLabelValues(queue, requested).Add(pods * r.Requests.GPUs * runtime)
		t.gpus.WithLabelValues(queue, used).Add(pods * r.Requests.GPUs * runtime * *u)
	}
	if r.Outcome == predictor.Succeeded && r.Served != nil && !r.Served.PeakMemory.IsZero() && r.PeakMemory > 0 && !r.MemoryCensored() {
		q := r.Served.PeakMemory
		t.served(queue, ofMemory, float64(r.PeakMemory), float64(q.P50), float64(q.P90))
	}
}

func (t *tally) served(queue, target string, came, p50, p90 float64) {
	t.runs.WithLabelValues(queue, target).Inc()
	t.ratio.WithLabelValues(queue, target).Observe(came / max(p50, 1e-9))
	for level, value := range map[string]float64{"p50": p50, "p90": p90} {
		within := t.within.WithLabelValues(queue, target, level)
		if came <= value {
			within.Inc()
		}
	}
}
