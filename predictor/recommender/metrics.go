package recommender

import "github.com/prometheus/client_golang/prometheus"

// metrics of a Loop; every name starts with runcast_recommender_.
type metrics struct {
	rounds    prometheus.Counter
	lastRound prometheus.Gauge
	leading   prometheus.Gauge
	vpas      *prometheus.GaugeVec // by whether there is a recommendation
	patches   prometheus.Counter
	errors    *prometheus.CounterVec // by whom was asked
}

// Whom a round asks.
const (
	askedAPI        = "api"
	askedPredictor  = "predictor"
	askedPrometheus = "prometheus"
)

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "runcast", Subsystem: "recommender", Name: name, Help: help}
	}
	m := &metrics{
		rounds:    prometheus.NewCounter(prometheus.CounterOpts(opts("rounds_total", "Rounds over all VerticalPodAutoscalers that choose this recommender."))),
		lastRound: prometheus.NewGauge(prometheus.GaugeOpts(opts("last_round_timestamp_seconds", "Unix time of the last round."))),
		leading:   prometheus.NewGauge(prometheus.GaugeOpts(opts("leading", "1 if this replica writes recommendations."))),
		vpas: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("verticalpodautoscalers",
			"VerticalPodAutoscalers that choose this recommender, by whether they have a recommendation: true or false.")), []string{"provided"}),
		patches: prometheus.NewCounter(prometheus.CounterOpts(opts("patches_total", "Statuses written."))),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts(opts("errors_total",
			"Questions that were not answered, by whom was asked: api, predictor or prometheus.")), []string{"asked"}),
	}
	for _, whom := range []string{askedAPI, askedPredictor, askedPrometheus} {
		m.errors.WithLabelValues(whom)
	}
	for _, c := range []prometheus.Collector{m.rounds, m.lastRound, m.leading, m.vpas, m.patches, m.errors} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
