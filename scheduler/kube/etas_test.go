package kube

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// The first forecast of each Job that waits is held against its start and its end, by
// the replica that leads.
func TestETAs(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	newETAs := func() *etas {
		m, err := newMetrics(prometheus.NewPedanticRegistry())
		if err != nil {
			t.Fatal(err)
		}
		return newETAs(m)
	}
	leader, standby := newETAs(), newETAs()

	jobs := map[string]*batchv1.Job{}
	s := &survey{live: map[types.UID]bool{}}
	plan := func(decisions map[string]scheduler.Decision) {
		s.waiting = nil
		var p scheduler.Schedule
		for name, d := range decisions {
			job := jobs[name]
			if job == nil {
				yes := true
				job = &batchv1.Job{ObjectMeta: metav1.ObjectMeta{UID: types.UID(name)}, Spec: batchv1.JobSpec{Suspend: &yes}}
				jobs[name], s.live[job.UID] = job, true
			}
			d.Job = len(s.waiting)
			s.waiting = append(s.waiting, &pending{job: job, facts: &jobFacts{spec: predictor.JobSpec{Queue: "gpu"}}})
			p.Decisions = append(p.Decisions, d)
		}
		leader.foretell(s, p)
		standby.foretell(s, p)
	}
	see := func() {
		var all []*batchv1.Job
		for _, j := range jobs {
			all = append(all, j)
		}
		leader.follow(all, true)
		standby.follow(all, false)
	}
	start := func(name string, minutes int) {
		no, when := false, metav1.NewTime(at(minutes))
		jobs[name].Spec.Suspend, jobs[name].Status.StartTime = &no, &when
		see()
		see() // counts once
	}
	end := func(name string, minutes int, how batchv1.JobConditionType) {
		when := metav1.NewTime(at(minutes))
		jobs[name].Status.CompletionTime = &when
		for _, c := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, how} {
			jobs[name].Status.Conditions = append(jobs[name].Status.Conditions, batchv1.JobCondition{Type: c, Status: corev1.ConditionTrue})
			see()
		}
	}
	forecast := func(start50, start90, end50, end90 int) scheduler.Decision {
		return scheduler.Decision{Verdict: scheduler.Held, StartP50: at(start50), StartP90: at(start90), EndP50: at(end50), EndP90: at(end90)}
	}
	now := forecast(0, 0, 10, 12)
	now.Verdict = scheduler.Released
	unknown := forecast(20, 30, 0, 0)
	unknown.EndP50, unknown.EndP90 = time.Time{}, time.Time{}
	plan(map[string]scheduler.Decision{
		"at once": now, "early": forecast(10, 20, 30, 50), "late": forecast(10, 20, 30, 50), "fails": forecast(10, 20, 30, 50),
		"of unknown length": unknown, "unforeseen": {Verdict: scheduler.Held}, "deleted": forecast(10, 20, 30, 50),
	})
	plan(map[string]scheduler.Decision{"late": forecast(24, 26, 60, 70)}) // the first stays
	start("at once", 0)
	start("early", 8)
	start("late", 25)
	start("fails", 15)
	start("of unknown length", 20)
	start("unforeseen", 30)
	end("early", 40, batchv1.JobComplete)
	end("late", 65, batchv1.JobComplete)
	end("fails", 66, batchv1.JobFailed)
	end("of unknown length", 67, batchv1.JobComplete)
	delete(s.live, "deleted")
	plan(nil)

	for _, want := range []struct {
		of              string
		n, by50, by90   float64
		errorOfTheWhole time.Duration
	}{
		{"start", 4, 2, 3, (2 + 15 + 5) * time.Minute},
		{"end", 2, 0, 1, (10 + 35) * time.Minute},
	} {
		got := func(v *prometheus.CounterVec, labels ...string) float64 {
			return testutil.ToFloat64(v.WithLabelValues(append([]string{"gpu", want.of}, labels...)...))
		}
		m := leader.metrics
		if n, by50, by90 := got(m.etas), got(m.etasWithin, "p50"), got(m.etasWithin, "p90"); n != want.n || by50 != want.by50 || by90 != want.by90 {
			t.Errorf("%ss: %v, %v by their p50, %v by their p90; want %+v", want.of, n, by50, by90, want)
		}
		if e := got(m.etaError); e != want.errorOfTheWhole.Seconds() {
			t.Errorf("%ss: %v seconds off, want %v", want.of, e, want.errorOfTheWhole.Seconds())
		}
	}
	if n := testutil.CollectAndCount(standby.metrics.etas); n != 0 {
		t.Errorf("%d series of one that does not lead", n)
	}
	if len(leader.first) != 0 {
		t.Errorf("still remembers %v", leader.first)
	}
}
