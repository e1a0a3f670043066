package kube

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// With watches that are late by many plans, every Job is released exactly once,
// and never more of them hold room than fit.
func TestLateWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=3"))
		est := newOracle()
		_, stop := runLoop(t, s.connect(3*time.Second), est, Config{})
		defer stop()
		rng := rand.New(rand.NewPCG(1, 2))
		const jobs = 12
		running := map[string]time.Time{} // when it ends
		created, done := 0, 0
		for step := 0; done < jobs; step++ {
			if step > 5000 {
				t.Fatalf("%d of %d jobs ended", done, jobs)
			}
			if created < jobs && rng.IntN(4) == 0 {
				name := fmt.Sprintf("j%02d", created)
				est.set(func(o *oracle) { o.runtimes[name] = time.Duration(1+rng.IntN(60)) * time.Second })
				s.create(t, testJob(t, name, "cpu=1"))
				created++
			}
			for name, end := range running {
				if time.Now().After(end) {
					s.endPods(t, name)
					delete(running, name)
					done++
				}
			}
			// The Job controller is quick: it sees a release at once.
			list, err := s.BatchV1().Jobs("").List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range list.Items {
				if !suspended(&j) && j.Status.StartTime == nil {
					s.startJob(t, j.Name, "n1")
					running[j.Name] = time.Now().Add(time.Duration(1+rng.IntN(20)) * time.Second)
				}
			}
			if len(running) > 3 {
				t.Fatalf("step %d: %d jobs on 3 cores", step, len(running))
			}
			time.Sleep(300 * time.Millisecond)
		}
		for i := range jobs {
			if n := s.releases(fmt.Sprintf("default/j%02d", i)); n != 1 {
				t.Errorf("j%02d was released %d times", i, n)
			}
		}
	})
}

// A release applies to the very Job it was decided on, and to no other.
func TestReleaseIsConditional(t *testing.T) {
	no := false
	for _, c := range []struct {
		name   string
		change func(*batchv1.Job)
		ok     bool
	}{
		{"nothing changed", func(*batchv1.Job) {}, true},
		{"its status changed", func(j *batchv1.Job) { j.Status.Ready = new(int32) }, true},
		{"it was annotated", func(j *batchv1.Job) { j.Annotations["x"] = "y" }, true},
		{"released by another", func(j *batchv1.Job) { j.Spec.Suspend = &no }, false},
		{"released and suspended again", func(j *batchv1.Job) { j.Generation += 2 }, false},
		{"its requests changed", func(j *batchv1.Job) { j.Generation++ }, false},
		{"another of the same name", func(j *batchv1.Job) { j.UID = "other" }, false},
		{"it left the queue", func(j *batchv1.Job) { j.Labels = nil }, false},
		{"Kueue took it", func(j *batchv1.Job) { j.Labels["kueue.x-k8s.io/queue-name"] = "q" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newAPIServer(t)
			s.create(t, annotated(testJob(t, "a", "cpu=1"), "note", "mine"))
			seen := s.job(t, "a")
			live := seen.DeepCopy()
			c.change(live)
			if err := s.Tracker().Update(batchv1.SchemeGroupVersion.WithResource("jobs"), live, "default"); err != nil {
				t.Fatal(err)
			}
			_, err := patchJob(t.Context(), s, seen, releasePatch(seen, nil, nil, map[string]string{"runcast.dev/decision": "Released: x"}))
			if (err == nil) != c.ok {
				t.Fatalf("error %v, expected to be released: %t", err, c.ok)
			}
			got := s.job(t, "a")
			if suspended(live) && suspended(got) == c.ok {
				t.Errorf("suspended %t", suspended(got))
			}
			if c.ok != (got.Annotations["runcast.dev/decision"] != "") || got.Annotations["note"] != "mine" {
				t.Errorf("annotations %v", got.Annotations)
			}
		})
	}
}

// A patch that was made when there were no annotations removes none.
func TestAnnotateKeepsOthers(t *testing.T) {
	s := newAPIServer(t)
	s.create(t, testJob(t, "a", "cpu=1"))
	seen := s.job(t, "a")
	s.updateJob(t, "a", func(j *batchv1.Job) { annotated(j, "note", "mine") })
	if _, err := patchJob(t.Context(), s, seen, noticePatch(seen, map[string]string{"x": "y"})); err == nil {
		t.Error("the patch applied to a Job that it does not know")
	}
	if got := s.job(t, "a").Annotations; len(got) != 1 || got["note"] != "mine" {
		t.Errorf("annotations %v", got)
	}
}

// The answer to a release is lost, nothing can be read, and the watch is late: the
// Job may run, so no other gets its room, not even one that would now go first.
func TestDoubtfulReleaseKeepsItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		est := newOracle()
		est.runtimes["a"], est.runtimes["b"] = time.Hour, 2*time.Hour
		s.create(t, testNode(t, "n1", "cpu=1"),
			annotated(testJob(t, "a", "cpu=1"), "note", "mine"), annotated(testJob(t, "b", "cpu=1"), "note", "mine"))
		s.forget("patch jobs", true)
		s.fail("get jobs", errors.New("connection refused"))
		_, stop := runLoop(t, s.connect(10*time.Minute), est, Config{})
		defer stop()
		time.Sleep(time.Second)
		if s.releases("default/a") != 1 {
			t.Fatal("a was not released")
		}
		s.forget("patch jobs", false)
		est.set(func(o *oracle) { o.runtimes["b"] = time.Minute })
		time.Sleep(5 * time.Minute)
		if s.releases("default/b") != 0 {
			t.Error("b was released into a's room")
		}
		s.fail("get jobs", nil)
		time.Sleep(time.Minute)
		if s.releases("default/b") != 0 {
			t.Error("b was released into a's room after a's release was found out")
		}
		time.Sleep(10 * time.Minute) // the watch tells at last; a runs
		if s.releases("default/a") != 1 || s.releases("default/b") != 0 {
			t.Errorf("a was released %d times, b %d times", s.releases("default/a"), s.releases("default/b"))
		}
	})
}
