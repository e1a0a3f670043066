package kube

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestUnborn(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name                     string
		parallelism, completions int32 // completions 0: a work queue
		seen, alive              int
		succeeded                int32
		quiet                    time.Duration // since a pod came or went
		startedAgo               time.Duration // 0: the Job controller has not started it
		want                     int
	}{
		{"just released", 3, 3, 0, 0, 0, 0, 0, 3},
		{"the Job controller is dead", 3, 3, 0, 0, 0, 0, 0, 3},
		{"some created", 3, 3, 1, 1, 0, 0, time.Second, 2},
		{"all created", 3, 3, 3, 3, 0, 0, time.Second, 0},
		{"one ended, its status does not say so", 3, 3, 3, 2, 0, 0, time.Hour, 0},
		{"all ended", 3, 3, 3, 0, 0, 0, time.Hour, 0},
		{"more to do, one ended", 3, 9, 3, 2, 0, time.Second, time.Hour, 1},
		{"the last wave", 3, 9, 8, 2, 6, time.Second, time.Hour, 1},
		{"nothing left to start", 3, 9, 9, 2, 7, time.Second, time.Hour, 0},
		{"after a restart, by status alone", 3, 9, 0, 0, 7, 0, time.Second, 2},
		{"one failed and was replaced", 3, 3, 4, 3, 0, time.Second, time.Hour, 0},
		{"a work queue starts", 3, 0, 1, 1, 0, time.Second, time.Second, 2},
		{"a work queue ends", 3, 0, 3, 2, 0, time.Second, time.Hour, 0},
		{"not created within the grace", 3, 3, 1, 1, 0, UnplacedGrace + time.Second, time.Hour, 0},
		{"started long ago, a pod came lately", 3, 9, 3, 2, 0, UnplacedGrace - time.Second, time.Hour, 1},
	} {
		b := newBirths()
		var alive []*podFacts
		for i := range c.seen {
			uid := types.UID(rune('a' + i))
			b.note("job", uid, now.Add(-c.quiet))
			if i < c.alive {
				alive = append(alive, &podFacts{uid: uid})
			}
		}
		mark := b.marked()
		b.note("job", "late", now.Add(-c.quiet)) // appears while the pods are listed
		j := &batchv1.Job{}
		j.UID = "job"
		j.Spec.Parallelism = &c.parallelism
		if c.completions > 0 {
			j.Spec.Completions = &c.completions
		}
		j.Status.Succeeded = c.succeeded
		if c.startedAgo > 0 {
			started := metav1.NewTime(now.Add(-c.startedAgo))
			j.Status.StartTime = &started
		}
		if got := b.unborn(j, alive, mark, now); got != c.want {
			t.Errorf("%s: %d unborn, want %d", c.name, got, c.want)
		}
	}
}
