//go:build e2e

package e2e

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

// doesWhatJobsAsk releases Jobs that ask for something, onto nodes that are full and
// with shorter jobs waiting beside them: one with a deadline ends before it though it is
// the longest, one does not start before it may, and one asks for what it is predicted to
// need in place of twice as much.
func doesWhatJobsAsk(w *world, src *rand.Rand) {
	crowd := runsOf(src, func(k *kind) int { return 16 * btoi(k.name == "embed") })
	w.create(crowd[:8], "queued", "queued", "gpu") // fill all nodes for 16 s
	w.await("the nodes to be full", 30*time.Second, func() bool {
		released := 0
		for i := range crowd[:8] {
			released += w.resumed["queued/"+crowd[i].name]
		}
		return released == 8
	})
	w.create(crowd[8:], "queued", "queued", "gpu") // and for another 16 s

	special := runsOf(src, func(k *kind) int { return btoi(k.name == "finetune" || k.name == "lint" || k.name == "eval") })
	asked := map[string]*run{}
	for i := range special {
		asked[special[i].kind.name] = &special[i]
	}
	due, asleep, sized := asked["finetune"], asked["lint"], asked["eval"]
	deadline := time.Now().Add(50 * time.Second).Truncate(time.Second)
	earliest := time.Now().Add(20 * time.Second).Truncate(time.Second).Add(time.Second)
	for r, note := range map[*run][2]string{
		due:    {jobspec.AnnotationDeadline, deadline.UTC().Format(time.RFC3339)},
		asleep: {jobspec.AnnotationEarliestStart, earliest.UTC().Format(time.RFC3339)},
		sized:  {jobspec.AnnotationRightSize, string(jobspec.Apply)},
	} {
		job := r.job("queued", "queued", "gpu")
		job.Annotations = map[string]string{note[0]: note[1]}
		if _, err := w.Client().BatchV1().Jobs("queued").Create(w.ctx, job, metav1.CreateOptions{}); err != nil {
			w.Fatal(err)
		}
	}
	w.await("all of them to end", 2*time.Minute, func() bool { return w.allOver("queued", crowd) && w.allOver("queued", special) })

	job := func(r *run) *batchv1.Job {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.jobs["queued/"+r.name]
	}
	if end := job(due).Status.CompletionTime; end == nil || end.After(deadline) {
		w.Errorf("%s ended at %v, due at %v", due.name, end, deadline)
	}
	if start := job(asleep).Status.StartTime; start == nil || start.Time.Before(earliest) {
		w.Errorf("%s started at %v, not to start before %v", asleep.name, start, earliest)
	}
	w.checkSize(sized, job(sized))
}

// checkSize holds a Job of the kind that was right-sized against what it was to be: enough
// for its run and less than was asked for, on its pod, told in an Event; and its record
// says what its user asked for.
func (w *world) checkSize(r *run, job *batchv1.Job) {
	w.Helper()
	const user = 16 * predictor.GiB // two GPUs of 8 GiB each
	pods, err := w.Client().CoreV1().Pods(job.Namespace).List(w.ctx, metav1.ListOptions{LabelSelector: "job-name=" + job.Name})
	if err != nil || len(pods.Items) != 1 {
		w.Fatalf("%s: %d pods, %v", job.Name, len(pods.Items), err)
	}
	request := predictor.Bytes(pods.Items[0].Spec.Containers[0].Resources.Requests.Memory().Value())
	w.Logf("%s asked for %v, was released with %v, and needed %v", job.Name, user, request, r.memory)
	if request < r.memory || request > user*3/4 {
		w.Errorf("%s was released with %v, needs %v of %v", job.Name, request, r.memory, user)
	}
	if got := job.Annotations[jobspec.AnnotationUserMemory]; got != strconv.Itoa(int(user)) {
		w.Errorf("%s tells %q as what its user asked for", job.Name, got)
	}
	events, err := w.Client().CoreV1().Events(job.Namespace).List(w.ctx, metav1.ListOptions{FieldSelector: "reason=Resized,involvedObject.name=" + job.Name})
	if err != nil || len(events.Items) != 1 || events.Items[0].Type != corev1.EventTypeNormal ||
		!strings.HasPrefix(events.Items[0].Message, "container main asks for ") {
		w.Errorf("%s: events %v, %v", job.Name, events.Items, err)
	}
	w.poll("the record of "+job.Name, 30*time.Second, func() error { return w.haveRecords([]run{*r}, false) })
	all, err := w.records()
	if err != nil {
		w.Fatal(err)
	}
	if got := all["queued/"+r.name][0].Requests.Memory; got != user {
		w.Errorf("%s is recorded with a request of %v", job.Name, got)
	}
}
