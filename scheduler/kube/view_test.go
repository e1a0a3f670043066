package kube

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/election"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

var _ predictor.Queue = (*Loop)(nil)

func TestView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now().UTC()
		in := func(d time.Duration) time.Time { return began.Add(d) }
		s := newAPIServer(t)
		est := newOracle()
		for i, name := range []string{"a", "b", "c"} {
			est.runtimes[name] = time.Duration(i+1) * time.Hour
		}
		other := testJob(t, "c", "cpu=1")
		other.Namespace = "other"
		s.create(t, testNode(t, "n1", "cpu=1"), testJob(t, "a", "cpu=1"), testJob(t, "b", "cpu=1"), other)
		l, stop := runLoop(t, s, est, Config{})
		defer stop()
		time.Sleep(time.Second)
		s.startJob(t, "a", "n1")
		time.Sleep(time.Minute)

		waiting, err := l.Waiting(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range waiting {
			got = append(got, fmt.Sprintf("%d %s/%s %s", e.Position, e.Namespace, e.Name, e.Decision))
		}
		want := []string{"1 default/b Reserved: waits for room", "2 other/c Held: waits its turn"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if only, _ := l.Waiting(t.Context(), "other"); len(only) != 1 || only[0].Position != 2 {
			t.Errorf("waiting in other: %+v", only)
		}
		e, err := l.ETA(t.Context(), "default", "a")
		if err != nil || e.Position != 0 || !e.StartP50.Equal(in(time.Second)) || e.EndP50.Sub(in(time.Hour+time.Second)).Abs() > 20*time.Second || e.Estimate.Model != "m1" {
			t.Errorf("a: %+v, %v", e, err)
		}
		if e, err := l.ETA(t.Context(), "default", "b"); err != nil || e.Position != 1 || e.StartP50.IsZero() || !e.Submitted.Equal(began) {
			t.Errorf("b: %+v, %v", e, err)
		}
		if _, err := l.ETA(t.Context(), "default", "c"); !errors.Is(err, predictor.ErrNotFound) {
			t.Errorf("a job of another namespace: %v", err)
		}
	})
}

// A watch yields the queue at once and whenever it changes for its namespace.
func TestWatchWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"), testJob(t, "a", "cpu=9"))
		l, stop := runLoop(t, s, nil, Config{})
		defer stop()
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		lengths := make(chan int, 100)
		last := make(chan error, 1)
		go func() {
			var end error
			for entries, err := range l.WatchWaiting(ctx, "default") {
				if err == nil {
					lengths <- len(entries)
				}
				end = err
			}
			last <- end
		}()
		time.Sleep(time.Minute)
		s.create(t, testJob(t, "b", "cpu=9"))
		elsewhere := testJob(t, "c", "cpu=9")
		elsewhere.Namespace = "other"
		time.Sleep(time.Minute)
		s.create(t, elsewhere)
		time.Sleep(time.Minute)
		cancel()
		if err := <-last; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		close(lengths)
		var got []int
		for n := range lengths {
			got = append(got, n)
		}
		if diff := cmp.Diff([]int{1, 2}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// The real plan: what cannot run is held and said so, and the rest goes on.
func TestRealPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=4"), testJob(t, "huge", "cpu=64"), testJob(t, "small", "cpu=1"))
		reg := prometheus.NewRegistry()
		l, err := New(Config{}, s, nil, scheduler.DefaultPolicy(), quiet(), reg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(2 * time.Second)
		if s.releases("default/small") != 1 || s.releases("default/huge") != 0 {
			t.Errorf("small was released %d times, huge %d", s.releases("default/small"), s.releases("default/huge"))
		}
		n := told(s.job(t, "huge"))
		if n.verdict != scheduler.Held || n.reason == "" || !n.start.IsZero() {
			t.Errorf("huge is told %+v", n)
		}
		if h := l.Health(); !h.Leading || time.Since(h.LastPlan) > 5*time.Second {
			t.Errorf("health %+v", h)
		}
		if n := testutil.ToFloat64(l.metrics.releases.WithLabelValues("Released")); n != 1 {
			t.Errorf("%g releases counted", n)
		}
		if n := testutil.ToFloat64(l.metrics.pending.WithLabelValues("q")); n != 1 {
			t.Errorf("%g pending counted", n)
		}
		if n := testutil.ToFloat64(l.metrics.runtimes.WithLabelValues(fromNowhere)); n != 1 {
			t.Errorf("%g without a runtime counted", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNewChecksItsConfiguration(t *testing.T) {
	s := newAPIServer(t)
	for name, cfg := range map[string]Config{
		"negative interval":       {MinInterval: -1},
		"intervals exchanged":     {MinInterval: time.Minute},
		"a Lease without name":    {Election: election.Config{Namespace: "n", Identity: "i"}},
		"a Lease without replica": {Election: election.Config{Namespace: "n", Name: "l"}},
		"negative rate":           {NoticesPerSecond: -1},
	} {
		if _, err := New(cfg, s, nil, scheduler.DefaultPolicy(), quiet(), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Config{}, s, nil, scheduler.Policy{}, quiet(), prometheus.NewRegistry()); err == nil {
		t.Error("the zero policy was accepted")
	}
	reg := prometheus.NewRegistry()
	for i := range 2 {
		if _, err := New(Config{}, s, nil, scheduler.DefaultPolicy(), quiet(), reg); (err == nil) != (i == 0) {
			t.Errorf("registering for the %d. time: %v", i+1, err)
		}
	}
}

func TestReleaseAll(t *testing.T) {
	s := newAPIServer(t)
	running, kueue := testJob(t, "running", "cpu=1"), testJob(t, "kueue", "cpu=1")
	no := false
	running.Spec.Suspend = &no
	kueue.Labels[jobspec.LabelKueueQueue] = "q"
	unlabelled := testJob(t, "unlabelled", "cpu=1")
	unlabelled.Labels = nil
	elsewhere := testJob(t, "elsewhere", "cpu=1")
	elsewhere.Namespace = "other"
	s.create(t, testJob(t, "a", "cpu=1"), testJob(t, "b", "cpu=1"), testJob(t, "denied", "cpu=1"), running, kueue, unlabelled, elsewhere)
	s.refuse("denied")
	n, err := ReleaseAll(t.Context(), s, "default")
	if n != 2 || err == nil {
		t.Errorf("released %d, %v", n, err)
	}
	if n, err := ReleaseAll(t.Context(), s, ""); n != 1 || err == nil {
		t.Errorf("released %d everywhere, %v", n, err)
	}
	list, err := s.BatchV1().Jobs("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list.Items {
		want := j.Name == "denied" || j.Name == "kueue" || j.Name == "unlabelled"
		if suspended(&j) != want {
			t.Errorf("%s: suspended %t", j.Name, suspended(&j))
		}
	}
	s.fail("list jobs", errors.New("connection refused"))
	if _, err := ReleaseAll(t.Context(), s, ""); err == nil {
		t.Error("no error without an API server")
	}
}
