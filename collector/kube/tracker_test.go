package kube

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func aJob(name string) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(start)}}
}

func failed(j *batchv1.Job) *batchv1.Job {
	j = j.DeepCopy()
	j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(start)}}
	return j
}

func aPod(j *batchv1.Job, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ml", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(start),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(j, batchv1.SchemeGroupVersion.WithKind("Job"))},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: new(metav1.NewTime(start))},
	}
}

func always(*run) bool { return true }

// TestAbsenceIsNoEnd: a Job that is gone after the watch was interrupted may have
// ended in any way, unless it had ended, or was being deleted, when last seen.
func TestAbsenceIsNoEnd(t *testing.T) {
	dying := aJob("dying")
	dying.DeletionTimestamp = new(metav1.NewTime(start))
	for _, c := range []struct {
		job                   *batchv1.Job
		unresolved, delivered int
	}{
		{aJob("running"), 1, 0},
		{failed(aJob("failed")), 0, 1},
		{dying, 0, 1},
	} {
		unresolved := 0
		tr := newTracker(func() { unresolved++ })
		tr.job(c.job, start)
		tr.jobGone(c.job, true, start)
		runs := tr.finished(always, 10)
		tr.delivered(runs)
		if unresolved != c.unresolved || len(runs) != c.delivered {
			t.Errorf("%s: %d unresolved and %d delivered, want %d and %d", c.job.Name, unresolved, len(runs), c.unresolved, c.delivered)
		}
		if len(tr.runs)+len(tr.ended) != 0 {
			t.Errorf("%s: something of it stays", c.job.Name)
		}
	}
}

// TestWrittenBefore: the estimate of a Job that was first seen after its start
// counts if every writer of such annotations wrote before it.
func TestWrittenBefore(t *testing.T) {
	wrote := func(field string, at time.Duration) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Time:     new(metav1.NewTime(start.Add(at))),
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:` + field + `":{}}}}`),
		}
	}
	const estimate, other = "runcast.dev/predicted-runtime-seconds", "runcast.dev/estimated-end-time"
	for _, c := range []struct {
		name   string
		fields []metav1.ManagedFieldsEntry
		want   bool
	}{
		{"nobody is known to have written it", nil, false},
		{"before", []metav1.ManagedFieldsEntry{wrote(estimate, -time.Second)}, true},
		{"after", []metav1.ManagedFieldsEntry{wrote(estimate, time.Second)}, false},
		{"before, and something else after", []metav1.ManagedFieldsEntry{wrote(estimate, 0), wrote(other, time.Hour)}, true},
		{"before and after", []metav1.ManagedFieldsEntry{wrote(estimate, 0), wrote(estimate, time.Hour)}, false},
	} {
		j := failed(aJob("train"))
		j.Annotations = map[string]string{estimate: "60"}
		j.Status.StartTime = new(metav1.NewTime(start))
		j.ManagedFields = c.fields
		if _, err := light(j); err != nil {
			t.Fatal(err)
		}
		tr := newTracker(nil)
		tr.job(j, start)
		f, _ := tr.finished(always, 1)[0].read("", 0)
		if got := f.Record.Served != nil; got != c.want {
			t.Errorf("%s: counts = %t, want %t", c.name, got, c.want)
		}
	}
}

func TestPodsOfOneJobAreBounded(t *testing.T) {
	tr := newTracker(nil)
	j := aJob("sweep")
	for i := range maxPods + 100 {
		tr.pod(aPod(j, fmt.Sprint("p", i)))
	}
	if n := len(tr.runs[j.UID].pods); n != maxPods {
		t.Errorf("%d pods kept, want %d", n, maxPods)
	}
}

// TestOrphan: nothing is kept of a pod that outlives its Job, which it then no longer names.
func TestOrphan(t *testing.T) {
	tr := newTracker(nil)
	pods := events(sameParent, tr.pod, func(p *corev1.Pod, _ bool) { tr.podGone(p) })
	j := aJob("train")
	child := aPod(j, "train-0")
	orphan := child.DeepCopy()
	orphan.OwnerReferences = nil
	tr.job(j, start)
	pods.OnAdd(child, true)
	tr.jobGone(j, false, start)
	tr.delivered(tr.finished(always, 1))
	pods.OnUpdate(child, child)
	if len(tr.runs) != 1 {
		t.Fatal("a pod is not known")
	}
	pods.OnUpdate(child, orphan)
	pods.OnUpdate(orphan, orphan)
	pods.OnDelete(orphan)
	if len(tr.runs) != 0 {
		t.Errorf("%d runs stay", len(tr.runs))
	}
}

// TestAnyOrder plays events of Jobs and of pods in every order that two watches
// allow: each Job is delivered once with all of its pods, and nothing stays.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		tr := newTracker(func() { t.Errorf("seed %d: unresolved", seed) })
		delivered := map[types.UID]int{}
		var watches [2][]func()
		for i := range 5 {
			j := aJob(fmt.Sprint("job", i))
			watches[0] = append(watches[0],
				func() { tr.job(j, start) },
				func() { tr.job(failed(j), start) },
				func() { tr.jobGone(failed(j), false, start) })
			for k := range 3 {
				p := aPod(j, fmt.Sprint(j.Name, "-", k))
				watches[1] = append(watches[1], func() { tr.pod(p) }, func() { tr.podGone(p) })
			}
		}
		for len(watches[0])+len(watches[1]) > 0 {
			w := &watches[rng.IntN(2)]
			if len(*w) == 0 {
				continue
			}
			(*w)[0]()
			*w = (*w)[1:]
			if rng.IntN(4) == 0 {
				runs := tr.finished(always, 2)
				tr.delivered(runs)
				for _, r := range runs {
					delivered[r.job.UID]++
				}
			}
		}
		last := tr.finished(always, 10)
		tr.delivered(last)
		for _, r := range last {
			delivered[r.job.UID]++
		}
		for i := range 5 {
			if n := delivered[types.UID(fmt.Sprint("job", i))]; n != 1 {
				t.Errorf("seed %d: job%d delivered %d times", seed, i, n)
			}
		}
		if len(tr.runs)+len(tr.ended) != 0 {
			t.Errorf("seed %d: %d runs stay", seed, len(tr.runs))
		}
	}
}

// TestResizedUnseen: the request is the user's, though the Job was released, and its
// request changed, while the watch was interrupted.
func TestResizedUnseen(t *testing.T) {
	j := aJob("train")
	j.Annotations = map[string]string{"feature.runcast.dev/epochs": "30"}
	request := func(j *batchv1.Job, memory string) {
		j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)},
		}}}
	}
	request(j, "4Gi")
	tr := newTracker(nil)
	tr.job(j, start)
	j = failed(j)
	request(j, "1Gi")
	j.Status.StartTime = new(metav1.NewTime(start))
	j.Annotations = map[string]string{jobspec.AnnotationUserMemory: "4294967296", "feature.runcast.dev/late": "1"}
	tr.job(j, start)
	f, _ := tr.finished(always, 1)[0].read("", 0)
	if got := f.Record.Requests.Memory; got != 4*predictor.GiB {
		t.Errorf("memory request %v, want 4GiB", got)
	}
	if len(f.Record.Features) != 1 || f.Record.Features["epochs"].Number != 30 {
		t.Errorf("features %v, want those of the submission", f.Record.Features)
	}
}
