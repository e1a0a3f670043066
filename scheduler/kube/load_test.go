package kube

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// Queues with weights share the node by them, whoever came first; what each has and what
// no node can run is told to people and to Prometheus.
func TestQueuesShareByWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=8", "memory=64Gi"))
		for _, queue := range []string{"first", "second"} { // "first" has created all of its jobs before
			for i := range 8 {
				job := testJob(t, fmt.Sprintf("%s-%d", queue, i), "cpu=1")
				job.Labels[jobspec.LabelQueue] = queue
				s.create(t, job)
			}
		}
		s.create(t, testJob(t, "huge", "cpu=64", "memory=1Gi"))
		reg := prometheus.NewPedanticRegistry()
		l, err := New(Config{Weights: map[string]float64{"second": 3}}, s, nil, scheduler.DefaultPolicy(), quiet(), reg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(10 * time.Second)
		got, err := l.Load(t.Context())
		want := predictor.QueueLoad{
			Shares: []predictor.QueueShare{
				{Queue: "first", Weight: 1, Share: 0.25, Resource: "cpu", Running: 2, Waiting: 6},
				{Queue: "q", Weight: 1, Waiting: 1},
				{Queue: "second", Weight: 3, Share: 0.75, Resource: "cpu", Running: 6, Waiting: 2},
			},
			Unserved: []predictor.Demand{{Pods: 1, Request: map[string]float64{"cpu": 64, "memory": 1 << 30}}},
		}
		if !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP runcast_scheduler_queue_share_ratio Part of the cluster that a queue's running jobs ask for, of the resource of which that is most.
# TYPE runcast_scheduler_queue_share_ratio gauge
runcast_scheduler_queue_share_ratio{queue="first"} 0.25
runcast_scheduler_queue_share_ratio{queue="q"} 0
runcast_scheduler_queue_share_ratio{queue="second"} 0.75
# HELP runcast_scheduler_unserved_requests What waiting pods ask for that no node can run, whatever ends: cores of cpu, bytes of memory, numbers of pods and others.
# TYPE runcast_scheduler_unserved_requests gauge
runcast_scheduler_unserved_requests{resource="cpu"} 64
runcast_scheduler_unserved_requests{resource="memory"} 1.073741824e+09
runcast_scheduler_unserved_requests{resource="pods"} 1
`), "runcast_scheduler_queue_share_ratio", "runcast_scheduler_unserved_requests"); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWeightsAreChecked(t *testing.T) {
	for _, w := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		_, err := New(Config{Weights: map[string]float64{"ml": w}}, newAPIServer(t), nil, scheduler.DefaultPolicy(), quiet(), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), `weight of queue "ml": expected a positive, finite number`) {
			t.Errorf("%v: %v", w, err)
		}
	}
}
