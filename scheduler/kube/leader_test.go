package kube

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor/election"
	"github.com/runcast/runcast/scheduler"
)

func lease(identity string) Config {
	return Config{Election: election.Config{Namespace: "runcast", Name: "scheduler", Identity: identity}}
}

// The leader's network breaks: it cannot give the Lease up. The other takes over
// once the Lease has run out, releases what is left and nothing twice; and when
// the first comes back it follows.
func TestLeaderLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=4"))
		first, second := s.connect(0), s.connect(0)
		a, stopA := runLoop(t, first, nil, lease("a"))
		defer stopA()
		time.Sleep(time.Second)
		b, stopB := runLoop(t, second, nil, lease("b"))
		defer stopB()
		for i := range 3 {
			s.create(t, testJob(t, fmt.Sprintf("early%d", i), "cpu=1"))
		}
		time.Sleep(2 * time.Second)
		if !a.Health().Leading || b.Health().Leading {
			t.Fatalf("a leads %t, b leads %t", a.Health().Leading, b.Health().Leading)
		}
		first.cut.Store(true)
		for i := range 3 {
			s.create(t, testJob(t, fmt.Sprintf("late%d", i), "cpu=1"))
		}
		time.Sleep(12 * time.Second)
		if a.Health().Leading {
			t.Error("a leads after its renew deadline")
		}
		if n := s.releases("default/late0") + s.releases("default/late1") + s.releases("default/late2"); n != 0 {
			t.Errorf("%d jobs were released while nobody may lead", n)
		}
		time.Sleep(10 * time.Second)
		if !b.Health().Leading {
			t.Error("b does not lead after the Lease ran out")
		}
		first.cut.Store(false)
		time.Sleep(time.Minute)
		if a.Health().Leading || !b.Health().Leading {
			t.Errorf("a leads %t, b leads %t", a.Health().Leading, b.Health().Leading)
		}
		released := 0
		for _, name := range []string{"early0", "early1", "early2", "late0", "late1", "late2"} {
			n := s.releases("default/" + name)
			if n > 1 {
				t.Errorf("%s was released %d times", name, n)
			}
			released += n
		}
		if released != 4 {
			t.Errorf("%d jobs were released on 4 cores", released)
		}
		// Both answer for the queue.
		for _, l := range []*Loop{a, b} {
			if w, err := l.Waiting(t.Context(), ""); err != nil || len(w) != 2 {
				t.Errorf("waiting %v, %v", w, err)
			}
		}
	})
}

// A leader that ends gives the Lease up: the other leads within a retry period.
func TestLeaderResigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=4"))
		_, stopA := runLoop(t, s.connect(0), nil, lease("a"))
		time.Sleep(time.Second)
		b, stopB := runLoop(t, s.connect(0), nil, lease("b"))
		defer stopB()
		time.Sleep(5 * time.Second)
		stopA()
		s.create(t, testJob(t, "late", "cpu=1"))
		time.Sleep(6 * time.Second)
		if !b.Health().Leading || s.releases("default/late") != 1 {
			t.Errorf("b leads %t, late was released %d times", b.Health().Leading, s.releases("default/late"))
		}
	})
}

// Both believe to lead, as when one was frozen: still nothing is released twice.
func TestTwoLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=20"))
		for _, lag := range []time.Duration{0, 2 * time.Second} {
			_, stop := runLoop(t, s.connect(lag), nil, Config{})
			defer stop()
		}
		time.Sleep(3 * time.Second)
		for i := range 20 {
			s.create(t, testJob(t, fmt.Sprintf("j%d", i), "cpu=1"))
		}
		time.Sleep(30 * time.Second)
		for i := range 20 {
			if n := s.releases(fmt.Sprintf("default/j%d", i)); n != 1 {
				t.Errorf("j%d was released %d times", i, n)
			}
		}
	})
}

func realPlan(s scheduler.Snapshot) scheduler.Schedule {
	return scheduler.Plan(s, scheduler.DefaultPolicy())
}

// A leader keeps its reservations though it has had no time to write them on the Jobs.
func TestReservationNeedsNoNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=4"))
		est := newOracle()
		est.runtimes["running"], est.runtimes["wide"], est.runtimes["short"] = 100*time.Second, time.Hour, time.Minute
		_, stop := runPlan(t, s, est, Config{NoticesPerSecond: 0.001}, realPlan)
		defer stop()
		s.create(t, testJob(t, "running", "cpu=2"))
		time.Sleep(time.Second)
		s.startJob(t, "running", "n1")
		s.create(t, testJob(t, "impossible", "cpu=5")) // takes the one notice
		time.Sleep(time.Second)
		s.create(t, testJob(t, "wide", "cpu=4"))
		time.Sleep(time.Second)
		s.create(t, testJob(t, "short", "cpu=4"))
		time.Sleep(time.Minute)
		if got := told(s.job(t, "wide")); got != (notice{}) {
			t.Fatalf("wide was told %q: the test proves nothing", got.text())
		}
		s.endPods(t, "running")
		time.Sleep(time.Second)
		if s.releases("default/wide") != 1 || s.releases("default/short") != 0 {
			t.Errorf("wide was released %d times, short %d times", s.releases("default/wide"), s.releases("default/short"))
		}
	})
}

// A reservation outlives its leader: the next one reads it from the Job. A shorter
// Job that comes meanwhile starts after it.
func TestReservationOutlivesLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=4"))
		est := newOracle()
		est.runtimes["running"], est.runtimes["wide"], est.runtimes["short"] = 100*time.Second, time.Hour, time.Minute
		first := s.connect(0)
		_, stopA := runPlan(t, first, est, lease("a"), realPlan)
		defer stopA()
		time.Sleep(time.Second)
		b, stopB := runPlan(t, s.connect(0), est, lease("b"), realPlan)
		defer stopB()
		s.create(t, testJob(t, "running", "cpu=2"))
		time.Sleep(time.Second)
		s.startJob(t, "running", "n1")
		began := time.Now()
		s.create(t, testJob(t, "wide", "cpu=4"))
		time.Sleep(5 * time.Second)
		reserved := told(s.job(t, "wide")).reserved
		if off := reserved.Sub(began.Add(100 * time.Second)).Abs(); off > 2*time.Second {
			t.Fatalf("reserved %v from when the running job ends", off)
		}
		first.cut.Store(true)
		s.create(t, testJob(t, "short", "cpu=4"))
		time.Sleep(time.Minute)
		if !b.Health().Leading {
			t.Fatal("b does not lead")
		}
		if now := told(s.job(t, "wide")); now.verdict != scheduler.Reserved || now.reserved.After(reserved) {
			t.Errorf("wide was reserved for %v, and then: %s, for %v", reserved, now.text(), now.reserved)
		}
		time.Sleep(30 * time.Second)
		s.endPods(t, "running")
		time.Sleep(time.Second)
		if s.releases("default/wide") != 1 || s.releases("default/short") != 0 {
			t.Errorf("wide was released %d times, short %d times", s.releases("default/wide"), s.releases("default/short"))
		}
	})
}

// Who has lost the Lease in the middle of a release shows what the Job is, not what it was
// in doubt of.
func TestFollowerHasNoDoubts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"))
		first := s.connect(0)
		a, stopA := runLoop(t, first, nil, lease("a"))
		defer stopA()
		time.Sleep(time.Second)
		_, stopB := runLoop(t, s.connect(0), nil, lease("b"))
		defer stopB()
		time.Sleep(time.Second)
		s.fail("patch jobs", errors.New("connection reset"))
		s.fail("get jobs", errors.New("connection reset"))
		s.create(t, testJob(t, "x", "cpu=1"))
		time.Sleep(time.Second)
		first.cut.Store(true)
		time.Sleep(time.Minute)
		if _, err := s.CoreV1().Nodes().Update(t.Context(), testNode(t, "n1", "cpu=0"), metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		s.fail("patch jobs", nil)
		s.fail("get jobs", nil)
		first.cut.Store(false)
		time.Sleep(time.Minute)
		if waiting, err := a.Waiting(t.Context(), ""); err != nil || len(waiting) != 1 || a.Health().Leading {
			t.Errorf("a leads %t and shows as waiting %v, error %v; want x", a.Health().Leading, waiting, err)
		}
	})
}
