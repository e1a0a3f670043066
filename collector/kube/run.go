package kube

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

const (
	// settle is how long after a Job's end its pods' last states are awaited: they
	// come over another watch. patience is how long if some are known to run still,
	// as those of a deleted Job do while they are given grace.
	settle   = 2 * time.Second
	patience = 45 * time.Second
)

// clockSkew is by how much the clocks of the API server and of the Job controller
// may differ when a pod is told from those before the last resume.
const clockSkew = 5 * time.Second

// estimateField is how metav1.FieldsV1 names the annotations of an estimate.
const estimateField = `"f:` + jobspec.Prefix + `predicted-`

// A run is one Job with its pods.
type run struct {
	job  *batchv1.Job // as last seen; nil if only pods of it were
	pods map[types.UID]*pod

	// submission are the annotations as last seen before the Job first started;
	// queued says that it was seen then, begun that it was seen after.
	submission    map[string]string
	queued, begun bool

	ended time.Time // when its end was seen here; zero while it goes on
	gone  bool      // the Job was deleted
	done  bool      // delivered; nothing else is set then
}

// see takes in a newer state of the Job.
func (r *run) see(job *batchv1.Job) {
	r.job = job
	if job.Status.StartTime != nil || end(job) != nil {
		r.begun = true
	}
	if !r.begun {
		r.submission, r.queued = job.Annotations, true
	}
}

// end is the condition that says that a Job has ended; nil while it has not.
func end(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// settled reports whether nothing more is to be learned by waiting, given that the
// run has ended.
func (r *run) settled(now time.Time) bool {
	wait := settle
	for _, p := range r.pods {
		if p.runs() {
			wait = patience
		}
	}
	return now.Sub(r.ended) >= wait
}

// read says what the objects of a run that has ended know of it.
func (r *run) read(cluster string, priority int32) (collector.Finished, []jobspec.Problem) {
	submitted := *r.job
	if r.queued {
		submitted.Annotations = r.submission
		if asked, resized := r.job.Annotations[jobspec.AnnotationUserMemory]; resized { // it came with the request that is there now
			submitted.Annotations = map[string]string{jobspec.AnnotationUserMemory: asked}
			maps.Copy(submitted.Annotations, r.submission)
		}
	}
	spec, problems := jobspec.FromJob(&submitted, priority)
	spec.ID = collector.JobID(cluster, spec.Namespace, spec.Name, spec.Submitted)
	spec.Cluster = cluster
	rec := predictor.JobRecord{JobSpec: spec}
	if r.queued || writtenBefore(r.job) {
		served, more := jobspec.Served(submitted.Annotations)
		rec.Served, problems = served, append(problems, more...)
	}

	pods := r.attempts()
	// Kubelets, Job controller and API server have clocks of their own.
	if start := r.started(pods); !start.IsZero() {
		rec.Started = later(start, rec.Submitted)
	}
	rec.Finished = later(r.finished(pods), later(rec.Started, rec.Submitted))
	rec.Outcome = r.outcome(pods)
	rec.ExitCode = exitCode(pods, jobspec.MainContainer(&r.job.Spec.Template))
	rec.Attempts = r.countAttempts(pods)
	f := collector.Finished{Record: rec, FromAPI: true}
	for _, p := range pods {
		f.Record.OOMKills += len(p.kills)
		f.Pods = append(f.Pods, collector.Pod{
			Name: p.last.Name, UID: string(p.last.UID), Node: p.last.Spec.NodeName,
			Started: p.started(), Finished: p.finished(),
		})
	}
	return f, problems
}

// writtenBefore reports whether a Job that was not seen before its start had its
// estimate then, by the times that the API server keeps for each writer.
func writtenBefore(job *batchv1.Job) bool {
	written := false
	for _, m := range job.ManagedFields {
		if m.FieldsV1 == nil || !strings.Contains(m.FieldsV1.GetRawString(), estimateField) {
			continue
		}
		if m.Time == nil || job.Status.StartTime == nil || m.Time.After(job.Status.StartTime.Time) {
			return false
		}
		written = true
	}
	return written
}

// heldBack reports whether the Job was deleted while it was suspended.
func (r *run) heldBack() bool {
	return end(r.job) == nil && r.job.Spec.Suspend != nil && *r.job.Spec.Suspend
}

// attempts are the pods that were started since the last resume, in order of start.
func (r *run) attempts() []*pod {
	var out []*pod
	for _, p := range r.pods {
		s := r.job.Status.StartTime
		before := s != nil && p.last.CreationTimestamp.Time.Before(s.Add(-clockSkew))
		if !p.started().IsZero() && !before && !r.heldBack() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *pod) int {
		return cmp.Or(a.started().Compare(b.started()), cmp.Compare(a.last.Name, b.last.Name))
	})
	return out
}

// started is zero if the run did not start: its pods are known, and none did.
func (r *run) started(pods []*pod) time.Time {
	switch e := end(r.job); {
	case len(pods) > 0:
		return pods[0].started()
	case r.job.Status.StartTime == nil || r.heldBack():
		return time.Time{}
	case len(r.pods) > 0 && (e == nil || e.Type != batchv1.JobComplete):
		return time.Time{}
	}
	return r.job.Status.StartTime.UTC()
}

func (r *run) finished(pods []*pod) time.Time {
	var last time.Time // of the pods, if it is known of all
	known := len(pods) > 0
	for _, p := range pods {
		last = later(last, p.finished())
		known = known && !p.finished().IsZero()
	}
	switch e := end(r.job); {
	case e == nil:
		deleted := r.ended.UTC().Truncate(time.Second)
		if d := r.job.DeletionTimestamp; d != nil {
			deleted = d.UTC()
		}
		return later(deleted, last)
	case e.Type == batchv1.JobFailed && known:
		return last
	case r.job.Status.CompletionTime != nil:
		return r.job.Status.CompletionTime.UTC()
	default:
		return e.LastTransitionTime.UTC()
	}
}

// outcome tells how the Job ended; if it failed, by what happened in its last round
// of pods, where one rank's end takes the others with it.
func (r *run) outcome(pods []*pod) predictor.Outcome {
	e := end(r.job)
	switch {
	case e == nil:
		return predictor.Cancelled
	case e.Type == batchv1.JobComplete:
		return predictor.Succeeded
	case e.Reason == batchv1.JobReasonDeadlineExceeded:
		return predictor.DeadlineExceeded
	}
	round := pods[max(0, len(pods)-jobspec.Gang(r.job)):]
	for _, c := range []struct {
		happened func(*pod) bool
		outcome  predictor.Outcome
	}{
		{(*pod).oomKilled, predictor.OOMKilled},
		{(*pod).evicted, predictor.Evicted},
		{(*pod).deadlineExceeded, predictor.DeadlineExceeded},
	} {
		if slices.ContainsFunc(round, c.happened) {
			return c.outcome
		}
	}
	return predictor.Failed
}

// countAttempts counts the pods beyond those that would have done, plus one, and
// restarts. A Job that asks for more completions than it runs at once starts a pod
// for each, without anything being retried.
func (r *run) countAttempts(pods []*pod) int {
	if len(pods) == 0 {
		return 0
	}
	restarts, succeeded := 0, 0
	for _, p := range pods {
		restarts += p.restarts()
		if p.succeeded() {
			succeeded++
		}
	}
	gang := jobspec.Gang(r.job)
	needed := gang
	if c := r.job.Spec.Completions; c != nil {
		needed = max(gang, min(int(*c), succeeded+gang))
	}
	return 1 + max(0, len(pods)-needed) + restarts
}

// exitCode is that of the main container of the pod that ended last.
func exitCode(pods []*pod, main *corev1.Container) *int32 {
	if len(pods) == 0 || main == nil {
		return nil
	}
	last := slices.MaxFunc(pods, func(a, b *pod) int { return a.finished().Compare(b.finished()) })
	return last.exitCode(main.Name)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
