package promql

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's own.
type metrics struct {
	queries  *prometheus.CounterVec // by template and class of the answer
	seconds  *prometheus.HistogramVec
	halvings prometheus.Counter
	retries  prometheus.Counter
	givenUp  prometheus.Counter
}

// newMetrics registers them with reg, which may be nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_promql_queries_total",
			Help: "Requests to the metrics store, retries included, by template and result: ok, too_large, timeout, fault, partial or error.",
		}, []string{"template", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "runcast_promql_query_duration_seconds",
			Help:    "Time until the metrics store answered, by template.",
			Buckets: prometheus.ExponentialBuckets(0.005, 4, 8), // 5 ms to 80 s
		}, []string{"template"}),
		halvings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runcast_promql_halvings_total",
			Help: "Batches that were halved because the metrics store found them too large.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runcast_promql_retries_total",
			Help: "Requests to the metrics store that were repeated after a passing fault.",
		}),
		givenUp: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runcast_promql_given_up_total",
			Help: "Jobs and pods for which the metrics store answers no query, however small.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.queries, m.seconds, m.halvings, m.retries, m.givenUp} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
