package kube

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runcast/runcast/predictor/jobspec"
)

// A standing is what a Job is to the queue.
type standing int

const (
	foreign  standing = iota // not ours: no queue label, or another's
	waiting                  // suspended, to be released
	released                 // runs, or will as soon as its pods are created
	over                     // finished, or being deleted
)

// standingOf judges a Job by itself alone. Jobs of others are foreign whatever
// else they are.
func standingOf(job *batchv1.Job) standing {
	switch {
	case !queued(job) || disowned(job) != "":
		return foreign
	case job.DeletionTimestamp != nil || finished(job):
		return over
	case suspended(job):
		return waiting
	}
	return released
}

// queued reports whether the Job opts in to the queue.
func queued(job *batchv1.Job) bool { return job.Labels[jobspec.LabelQueue] != "" }

// disowned says why a Job is not Runcast's to release although it may opt in;
// empty if it is.
func disowned(job *batchv1.Job) string {
	if q := job.Labels[jobspec.LabelKueueQueue]; q != "" {
		return "belongs to Kueue (label " + jobspec.LabelKueueQueue + "=" + q + "), which releases it"
	}
	if by := job.Spec.ManagedBy; by != nil && *by != batchv1.JobControllerName {
		return "is managed by " + *by + " (spec.managedBy), which releases it"
	}
	return ""
}

func suspended(job *batchv1.Job) bool { return job.Spec.Suspend != nil && *job.Spec.Suspend }

// finished reports whether no pod of the Job will be started any more.
func finished(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		switch c.Type {
		case batchv1.JobComplete, batchv1.JobFailed, batchv1.JobFailureTarget, batchv1.JobSuccessCriteriaMet:
			return c.Status == corev1.ConditionTrue
		}
		return false
	})
}

// waitsSince is when the Job was created, or last suspended if it has been
// released before.
func waitsSince(job *batchv1.Job) time.Time {
	if told(job).verdict.Starts() {
		for _, c := range job.Status.Conditions {
			if c.Type == batchv1.JobSuspended && c.Status == corev1.ConditionTrue {
				return c.LastTransitionTime.UTC()
			}
		}
	}
	return job.CreationTimestamp.UTC()
}

// gang is the number of pods that the Job needs at once from now on.
func gang(job *batchv1.Job) int {
	n := jobspec.Gang(job)
	if c := job.Spec.Completions; c != nil {
		n = min(n, int(*c-job.Status.Succeeded))
	}
	return max(n, 1)
}

func fullName(job *batchv1.Job) string { return job.Namespace + "/" + job.Name }
