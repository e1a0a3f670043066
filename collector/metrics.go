package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	stored, measured, errors *prometheus.CounterVec
	invalid, abandoned       prometheus.Counter
	watermark                prometheus.Gauge
	tally                    *tally
}

func newMetrics(reg prometheus.Registerer, waiting func() int) metrics {
	m := promauto.With(reg)
	m.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "runcast_collector_usage_pending", Help: "Finished jobs whose usage is still to be asked for.",
	}, func() float64 { return float64(waiting()) })
	return metrics{
		stored: m.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_collector_records_stored_total", Help: "Records stored that were new or better, by stage: lifecycle, usage, history.",
		}, []string{"stage"}),
		measured: m.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_collector_jobs_measured_total", Help: "Jobs whose usage was asked for and answered, by quality: exact, sparse, none.",
		}, []string{"quality"}),
		errors: m.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_collector_errors_total", Help: "Turns that did not succeed and are retried, by stage: lifecycle, usage, history, prune; and at lookup, stored records that cannot be read.",
		}, []string{"stage"}),
		invalid: m.NewCounter(prometheus.CounterOpts{
			Name: "runcast_collector_records_invalid_total", Help: "Jobs, or their usage, left out because they broke an invariant.",
		}),
		abandoned: m.NewCounter(prometheus.CounterOpts{
			Name: "runcast_collector_usage_abandoned_total", Help: "Jobs that waited too long for the usage source and were left to the history source.",
		}),
		watermark: m.NewGauge(prometheus.GaugeOpts{
			Name: "runcast_collector_history_watermark_timestamp_seconds", Help: "Up to which end of jobs the history source has been read.",
		}),
		tally: newTally(reg),
	}
}
