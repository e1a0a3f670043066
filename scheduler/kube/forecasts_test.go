package kube

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
)

// While the predictor is down it is asked ever more rarely; once it answers, all
// jobs have their estimates.
func TestPredictorDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"))
		est := newOracle()
		est.down = true
		l, stop := runLoop(t, s, est, Config{})
		defer stop()
		for i := range 50 {
			s.create(t, testJob(t, fmt.Sprintf("j%d", i), "cpu=1"))
		}
		time.Sleep(10 * time.Minute)
		est.mu.Lock()
		calls := est.calls
		est.down = false
		for i := range 50 {
			est.runtimes[fmt.Sprintf("j%d", i)] = time.Hour
		}
		est.mu.Unlock()
		if calls < 15 || calls > 40 {
			t.Errorf("asked %d times in 10 minutes", calls)
		}
		time.Sleep(time.Minute)
		waiting, err := l.Waiting(t.Context(), "")
		if err != nil || len(waiting) != 49 {
			t.Fatal(len(waiting), err)
		}
		for _, e := range waiting {
			if e.Estimate.Model != "m1" {
				t.Errorf("%s: %+v", e.Name, e.Estimate)
			}
		}
	})
}

// A predictor that hangs delays no plan, and a new job by the timeout at most.
func TestPredictorHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=9"))
		est := newOracle()
		est.hangs = true
		_, stop := runLoop(t, s, est, Config{PredictorTimeout: time.Second})
		defer stop()
		s.create(t, testJob(t, "a", "cpu=1"))
		time.Sleep(900 * time.Millisecond)
		if s.releases("default/a") != 0 {
			t.Error("a did not wait for its estimate")
		}
		time.Sleep(600 * time.Millisecond)
		if s.releases("default/a") != 1 {
			t.Error("a was held by a predictor that hangs")
		}
		s.create(t, testJob(t, "b", "cpu=1"))
		time.Sleep(400 * time.Millisecond)
		if s.releases("default/b") != 1 {
			t.Error("b waited for a predictor that is known to be down")
		}
	})
}

// A job that the predictor rejects costs the others nothing.
func TestPredictorRejectsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"))
		est := newOracle()
		for i := range 9 {
			name := fmt.Sprintf("j%d", i)
			est.runtimes[name] = time.Hour
			j := testJob(t, name, "cpu=2")
			if i == 4 {
				j.Spec.Template.Spec.Containers[0].Image = "poison"
			}
			s.create(t, j)
		}
		l, stop := runLoop(t, s, est, Config{})
		defer stop()
		time.Sleep(10 * time.Second)
		waiting, err := l.Waiting(t.Context(), "")
		if err != nil || len(waiting) != 9 {
			t.Fatal(len(waiting), err)
		}
		for _, e := range waiting {
			if known := !e.Estimate.Runtime.IsZero(); known != (e.Name != "j4") {
				t.Errorf("%s: %+v", e.Name, e.Estimate)
			}
		}
		if est.calls > 20 {
			t.Errorf("asked %d times", est.calls)
		}
	})
}

// A new model is noticed by the first answer that it gives, and two models at once
// do not make a storm.
func TestModelChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		est := newOracle()
		f := newSurveyor(t).forecasts
		f.est = est
		est.runtimes["a"] = time.Hour
		ask := func(jobs ...string) {
			var q []question
			for _, name := range jobs {
				q = append(q, question{uid: types.UID(name), spec: &predictor.JobSpec{Name: name}})
			}
			var wait sync.WaitGroup
			f.ask(t.Context(), &wait, q, time.Now())
			wait.Wait()
		}
		model := func(name string) string { e, _ := f.runtime(types.UID(name), &jobFacts{}); return e.Model }
		ask("a")
		est.model, est.runtimes["b"] = "m2", time.Hour
		time.Sleep(6 * time.Second)
		ask("a")
		if model("a") != "m1" {
			t.Error("a was asked again for no reason")
		}
		ask("a", "b")
		ask("a", "b")
		if model("a") != "m2" || model("b") != "m2" {
			t.Errorf("models %s, %s", model("a"), model("b"))
		}
		calls := est.calls
		est.model = "m1"
		for range 10 {
			ask("a", "b")
		}
		if est.calls != calls {
			t.Errorf("asked %d times more", est.calls-calls)
		}
		time.Sleep(time.Minute)
		ask("a")
		if len(f.runtimes) > 2 {
			t.Errorf("%d answers kept", len(f.runtimes))
		}
	})
}
