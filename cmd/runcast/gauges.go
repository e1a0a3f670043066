package main

import (
	"context"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/serve"
)

// gauge registers a number that is asked for at each scrape.
func (p *process) gauge(name, help string, labels prometheus.Labels, value func() float64) {
	p.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
}

// unixSeconds is 0 for the zero time, which is of no model.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func (p *process) storeGauges(s *store.Store) {
	champion := func() predictor.ModelInfo {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		info, err := s.Champion(ctx)
		if err != nil { // there is none, or the store is closed or busy; the collector tells that
			return predictor.ModelInfo{}
		}
		return info
	}
	p.gauge("runcast_store_size_bytes", "Size of the bbolt file.", nil, func() float64 {
		info, err := os.Stat(p.cfg.Store.Path)
		if err != nil {
			return 0
		}
		return float64(info.Size())
	})
	p.gauge("runcast_model_created_timestamp_seconds", "When the model in service was trained; 0 while there is none.", nil,
		func() float64 { return unixSeconds(champion().Created) })
	p.gauge("runcast_model_records", "Records that the model in service was trained on.", nil,
		func() float64 { return float64(champion().Records) })
	for level, of := range map[string]func(predictor.ModelInfo) float64{
		"p50": func(m predictor.ModelInfo) float64 { return m.PinballP50 },
		"p90": func(m predictor.ModelInfo) float64 { return m.PinballP90 },
	} {
		p.gauge("runcast_model_pinball_loss_seconds", "Pinball loss of the model in service in its backtest, by level: p50, p90.",
			prometheus.Labels{"level": level}, func() float64 { return of(champion()) })
	}
}

func (p *process) liveGauges(live *serve.Live) {
	p.gauge("runcast_predictor_model_created_timestamp_seconds", "When the model that answers was trained; 0 while there is none.", nil,
		func() float64 { return unixSeconds(live.State().Model.Created) })
	p.gauge("runcast_predictor_following", "1 if the models and the records can be followed.", nil, func() float64 {
		if live.State().Err != nil {
			return 0
		}
		return 1
	})
	p.gauge("runcast_predictor_record_lag_seconds", "How long after its end the last record arrived; 0 until one has.", nil,
		func() float64 { return live.State().Lag.Seconds() })
}
