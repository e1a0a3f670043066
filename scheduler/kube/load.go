package kube

import (
	"context"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// loadOf is what people and autoscalers may want to know of all queues together.
func loadOf(s *survey, plan scheduler.Schedule) predictor.QueueLoad {
	var load predictor.QueueLoad
	for _, q := range scheduler.Shares(&s.Snapshot) {
		share := predictor.QueueShare{Queue: q.Queue, Share: q.Dominant, Running: q.Running, Waiting: q.Waiting}
		if s.Weights != nil {
			share.Weight = q.Weight
		}
		if q.Resource >= 0 {
			share.Resource = s.Resources[q.Resource]
		}
		load.Shares = append(load.Shares, share)
	}
	for _, d := range plan.Unserved {
		demand := predictor.Demand{Pods: d.Pods, Request: map[string]float64{}}
		for r, v := range d.Request {
			switch name := s.Resources[r]; {
			case name == pods || v == 0:
			case name == cpu:
				demand.Request[name] = float64(v) / 1000
			default:
				demand.Request[name] = float64(v)
			}
		}
		load.Unserved = append(load.Unserved, demand)
	}
	return load
}

// Load implements predictor.Queue.
func (v *view) Load(context.Context) (predictor.QueueLoad, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.load, nil
}
