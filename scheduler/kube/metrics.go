package kube

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// maxQueues bounds the queues that have series of their own; the jobs of all others
// count as otherQueue's. It bounds resources as well.
const (
	maxQueues  = 100
	otherQueue = "other"
)

// Writes to the API server that may fail.
const (
	callRelease  = "release"
	callAnnotate = "annotate"
)

// Whose requests of right-sized jobs are counted.
const (
	requestOfUser   = "user"
	requestReleased = "released"
)

// metrics of a Loop; every name starts with runcast_scheduler_.
type metrics struct {
	plans           prometheus.Counter
	planSeconds     prometheus.Histogram
	lastPlan        prometheus.Gauge
	leading         prometheus.Gauge
	releases        *prometheus.CounterVec // by verdict
	resized         *prometheus.CounterVec // by whose request
	pending         *prometheus.GaugeVec   // by queue
	queues          []string               // that have a series in pending
	runtimes        *prometheus.GaugeVec   // by where they come from
	shares          *prometheus.GaugeVec   // by queue
	unserved        *prometheus.GaugeVec   // by resource
	predictorErrors prometheus.Counter
	apiErrors       *prometheus.CounterVec // by what was called

	etas, etaError *prometheus.CounterVec // by queue and of what
	etasWithin     *prometheus.CounterVec // by level, too
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const ns, sub = "runcast", "scheduler"
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: ns, Subsystem: sub, Name: name, Help: help}
	}
	m := &metrics{
		plans: prometheus.NewCounter(prometheus.CounterOpts(opts("plans_total", "Plans made."))),
		planSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "plan_duration_seconds",
			Help:    "Time to survey the cluster and to plan, without acting on it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13), // to 4 s
		}),
		lastPlan: prometheus.NewGauge(prometheus.GaugeOpts(opts("last_plan_timestamp_seconds", "Unix time of the last plan."))),
		leading:  prometheus.NewGauge(prometheus.GaugeOpts(opts("leading", "1 if this replica acts on its plans."))),
		releases: prometheus.NewCounterVec(prometheus.CounterOpts(opts("releases_total", "Jobs released.")), []string{"verdict"}),
		resized: prometheus.NewCounterVec(prometheus.CounterOpts(opts("resized_memory_bytes_total",
			"Memory that the pods of right-sized jobs asked for: as their users wrote it, and as they were released.")), []string{"request"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("pending_jobs", "Jobs that wait.")), []string{"queue"}),
		runtimes: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("pending_runtimes",
			"Jobs that wait, by what their runtime is planned with: model, or in its absence annotation, user, limit, none.")), []string{"from"}),
		shares: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("queue_share_ratio",
			"Part of the cluster that a queue's running jobs ask for, of the resource of which that is most.")), []string{"queue"}),
		unserved: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("unserved_requests",
			"What waiting pods ask for that no node can run, whatever ends: cores of cpu, bytes of memory, numbers of pods and others.")), []string{"resource"}),
		predictorErrors: prometheus.NewCounter(prometheus.CounterOpts(opts("predictor_errors_total", "Failed calls of the predictor."))),
		apiErrors:       prometheus.NewCounterVec(prometheus.CounterOpts(opts("api_errors_total", "Failed writes to the API server, conflicts included.")), []string{"call"}),
		etas: prometheus.NewCounterVec(prometheus.CounterOpts(opts("etas_total",
			"Starts and ends of jobs that had to wait, and had been foretold when first planned: start, or end of those that succeeded.")), []string{"queue", "of"}),
		etasWithin: prometheus.NewCounterVec(prometheus.CounterOpts(opts("etas_within_total",
			"Those of runcast_scheduler_etas_total that came by a quantile foretold: p50, p90.")), []string{"queue", "of", "level"}),
		etaError: prometheus.NewCounterVec(prometheus.CounterOpts(opts("eta_error_seconds_total",
			"Sum of the absolute differences of starts and ends from the p50 foretold.")), []string{"queue", "of"}),
	}
	for _, call := range []string{callRelease, callAnnotate} {
		m.apiErrors.WithLabelValues(call)
	}
	for _, verdict := range []scheduler.Verdict{scheduler.Released, scheduler.Backfilled} {
		m.releases.WithLabelValues(string(verdict))
	}
	for _, request := range []string{requestOfUser, requestReleased} {
		m.resized.WithLabelValues(request)
	}
	for _, c := range []prometheus.Collector{
		m.plans, m.planSeconds, m.lastPlan, m.leading, m.releases, m.resized, m.pending, m.runtimes, m.shares, m.unserved, m.predictorErrors, m.apiErrors,
		m.etas, m.etasWithin, m.etaError,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// waiting counts the jobs of a survey. A queue that had some has none now: a series that
// ends says nothing.
func (m *metrics) waiting(jobs []*pending) {
	queues, from := map[string]float64{}, map[string]int{
		fromModel: 0, fromAnnotation: 0, fromUser: 0, fromLimit: 0, fromNowhere: 0,
	}
	for _, q := range m.queues {
		queues[q] = 0
	}
	for _, p := range jobs {
		queues[p.facts.spec.Queue]++
		from[p.from]++
	}
	m.queues = setLargest(m.pending, queues)
	for f, n := range from {
		m.runtimes.WithLabelValues(f).Set(float64(n))
	}
}

// load tells what the queues have of the cluster and what it has no room for.
func (m *metrics) load(l predictor.QueueLoad) {
	shares := map[string]float64{}
	for _, s := range l.Shares {
		shares[s.Queue] = s.Share
	}
	setLargest(m.shares, shares)
	unserved := map[string]float64{pods: 0} // says that there is none
	for _, d := range l.Unserved {
		unserved[pods] += float64(d.Pods)
		for resource, amount := range d.Request {
			unserved[resource] += amount * float64(d.Pods)
		}
	}
	setLargest(m.unserved, unserved)
}

// setLargest sets a gauge by its one label, and returns the values of that which have a
// series of their own. Users name queues, and what they ask for: those of the largest
// values have one, the others are added up.
func setLargest(gauge *prometheus.GaugeVec, values map[string]float64) (own []string) {
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b))
	})
	own = names[:min(len(names), maxQueues)]
	gauge.Reset()
	for _, name := range own {
		gauge.WithLabelValues(name).Set(values[name])
	}
	for _, name := range names[len(own):] {
		gauge.WithLabelValues(otherQueue).Add(values[name])
	}
	return own
}
