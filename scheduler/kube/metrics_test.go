package kube

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/runcast/runcast/predictor"
)

// Users name queues as they like; the series stay bounded, and no job is left out.
func TestPendingJobsAreBounded(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := newMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	var jobs []*pending
	wait := func(queue string, n int) {
		for range n {
			jobs = append(jobs, &pending{facts: &jobFacts{spec: predictor.JobSpec{Queue: queue}}, from: fromNowhere})
		}
	}
	for i := range 3 * maxQueues {
		wait(fmt.Sprintf("q%03d", i), 1)
	}
	wait("zz", 2)
	m.waiting(jobs)
	if n, err := testutil.GatherAndCount(reg, "runcast_scheduler_pending_jobs"); err != nil || n != maxQueues+1 {
		t.Errorf("%d series, %v; want %d", n, err, maxQueues+1)
	}
	for queue, want := range map[string]float64{"zz": 2, "q000": 1, otherQueue: 2*maxQueues + 1} {
		if got := testutil.ToFloat64(m.pending.WithLabelValues(queue)); got != want {
			t.Errorf("%v jobs wait in %s, want %v", got, queue, want)
		}
	}
	jobs = nil
	wait("new", 1)
	m.waiting(jobs)
	for queue, want := range map[string]float64{"new": 1, "q000": 0, "q001": 0, otherQueue: 0} {
		if got := testutil.ToFloat64(m.pending.WithLabelValues(queue)); got != want {
			t.Errorf("then %v jobs wait in %s, want %v", got, queue, want)
		}
	}
	if n := testutil.CollectAndCount(m.pending); n != maxQueues+1 {
		t.Errorf("then %d series, want %d", n, maxQueues+1)
	}
}

// Nor do the resources that users make up make ever more series.
func TestUnservedIsBounded(t *testing.T) {
	m, err := newMetrics(prometheus.NewPedanticRegistry())
	if err != nil {
		t.Fatal(err)
	}
	var load predictor.QueueLoad
	for i := range 3 * maxQueues {
		load.Unserved = append(load.Unserved, predictor.Demand{Pods: 2, Request: map[string]float64{"cpu": 4, fmt.Sprint("example.com/", i): 1}})
	}
	m.load(load)
	if n := testutil.CollectAndCount(m.unserved); n != maxQueues+1 {
		t.Errorf("%d series, want %d", n, maxQueues+1)
	}
	for resource, want := range map[string]float64{pods: 6 * maxQueues, "cpu": 24 * maxQueues} {
		if got := testutil.ToFloat64(m.unserved.WithLabelValues(resource)); got != want {
			t.Errorf("%v of %s, want %v", got, resource, want)
		}
	}
	m.load(predictor.QueueLoad{})
	if n := testutil.CollectAndCount(m.unserved); n != 1 || testutil.ToFloat64(m.unserved.WithLabelValues(pods)) != 0 {
		t.Errorf("then %d series, want that of no pods", n)
	}
}
