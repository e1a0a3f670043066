package kube_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/kube"
)

// TestRefused: what is not taken is offered again, and what was malformed in it is
// told once.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.do("job train runcast.dev/expected-runtime=soon")
		c.do("begin train")
		c.do("complete train")
		var log bytes.Buffer
		reg := prometheus.NewPedanticRegistry()
		source, err := kube.New(c.client, "eu", slog.New(slog.NewTextHandler(&log, nil)), reg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		offered, taken := 0, 0
		done := make(chan error)
		go func() {
			done <- source.Run(ctx, func(_ context.Context, jobs []collector.Finished) error {
				if offered++; offered < 5 {
					return errors.New("disk full")
				}
				taken += len(jobs)
				if id := jobs[0].Record.ID; !strings.HasPrefix(id, "eu/ml/train@") || jobs[0].Record.Cluster != "eu" {
					t.Errorf("ID %s of cluster %q", id, jobs[0].Record.Cluster)
				}
				return nil
			})
		}()
		time.Sleep(time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if offered != 5 || taken != 1 {
			t.Errorf("offered %d times and taken %d times, want 5 and 1", offered, taken)
		}
		if n := strings.Count(log.String(), "malformed field left out"); n != 1 || !strings.Contains(log.String(), "runcast.dev/expected-runtime") {
			t.Errorf("told %d times in:\n%s", n, log.String())
		}
		want := `
# HELP runcast_collector_kube_jobs_total Finished jobs delivered by the informer, by outcome.
# TYPE runcast_collector_kube_jobs_total counter
runcast_collector_kube_jobs_total{outcome="succeeded"} 1
# HELP runcast_collector_kube_malformed_fields_total Fields of finished jobs that could not be read and were left out.
# TYPE runcast_collector_kube_malformed_fields_total counter
runcast_collector_kube_malformed_fields_total 1
`
		err = testutil.GatherAndCompare(reg, strings.NewReader(want), "runcast_collector_kube_jobs_total", "runcast_collector_kube_malformed_fields_total")
		if err != nil {
			t.Error(err)
		}
	})
}

// TestForbidden: without permission for priority classes jobs are delivered all the same.
func TestForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.client.PrependReactor("list", "priorityclasses", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("forbidden")
		})
		c.do("job train")
		c.do("begin train")
		c.do("complete train")
		source, err := kube.New(c.client, "", slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		taken, done := 0, make(chan error)
		go func() {
			done <- source.Run(ctx, func(_ context.Context, jobs []collector.Finished) error {
				taken += len(jobs)
				return nil
			})
		}()
		time.Sleep(time.Minute)
		stop()
		if err := <-done; err != nil || taken != 1 {
			t.Errorf("%d jobs delivered, error %v; want one and none", taken, err)
		}
	})
}

// TestNameReused: a Job that was deleted and made anew under its name while the watch was
// interrupted is another one, and the end of the first is unknown.
func TestNameReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var w *watch.FakeWatcher // sends nothing of itself
		c.client.PrependWatchReactor("jobs", func(clienttesting.Action) (bool, watch.Interface, error) {
			w = watch.NewFake()
			return true, w, nil
		})
		relist := func() {
			expired := apierrors.NewResourceExpired("too old").Status()
			w.Error(&expired)
			time.Sleep(time.Minute)
		}
		c.do("job train")
		c.do("begin train")
		reg := prometheus.NewPedanticRegistry()
		source, err := kube.New(c.client, "", slog.New(slog.DiscardHandler), reg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var taken []string
		done := make(chan error)
		go func() {
			done <- source.Run(ctx, func(_ context.Context, jobs []collector.Finished) error {
				for _, f := range jobs {
					taken = append(taken, f.Record.ID)
				}
				return nil
			})
		}()
		time.Sleep(time.Minute)

		c.do("delete train")
		c.do("job train")
		second := collector.JobID("", namespace, "train", time.Now())
		relist()
		c.do("begin train")
		c.do("complete train")
		relist()
		want := `
# HELP runcast_collector_kube_jobs_unresolved_total Jobs that vanished while the watch was interrupted, so that their end is unknown.
# TYPE runcast_collector_kube_jobs_unresolved_total counter
runcast_collector_kube_jobs_unresolved_total 1
# HELP runcast_collector_kube_jobs_watched Jobs known to the informer, finished ones included.
# TYPE runcast_collector_kube_jobs_watched gauge
runcast_collector_kube_jobs_watched 1
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "runcast_collector_kube_jobs_unresolved_total", "runcast_collector_kube_jobs_watched"); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(taken) != 1 || taken[0] != second {
			t.Errorf("delivered %v, want %s", taken, second)
		}
	})
}
