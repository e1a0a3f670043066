package recommender

import (
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

// nextRun is the Job that a CronJob would create, but for its time. user is who
// submits it, "" if that is not known; the template's own word goes before.
func nextRun(c *batchv1.CronJob, user string) *batchv1.Job {
	notes := map[string]string{}
	if user != "" {
		notes[jobspec.AnnotationUser] = user
	}
	maps.Copy(notes, c.Spec.JobTemplate.Annotations)
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace, Name: c.Name,
			Labels: c.Spec.JobTemplate.Labels, Annotations: notes,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: c.Spec.JobTemplate.Spec,
	}
}

// jobCPUMargin is for what a peak over two minutes does not show. Chosen on the runs of
// TestJobsAgainstVPA for no more shortage than VPA has there, of which most is in phases
// that are not provided for.
const jobCPUMargin = 1.12

// jobNeeds are those of a pod of the next run of a job. A history knows pods, not
// their containers: the main container is given what the pod needs, since nobody
// knows how much less is enough, and the others keep what they ask for.
// CPU is the peak, so that no phase of a run is slowed down but a short one of much more
// CPU than the rest needs (see predictor.Estimate), and a margin.
//
// A running Job that is evicted has run for nothing. So the bounds, beyond which
// VPA's updater evicts, are wide: the median and twice the most.
func jobNeeds(pod *corev1.PodTemplateSpec, e *predictor.Estimate) Needs {
	main := jobspec.MainContainer(pod)
	if main == nil {
		return nil
	}
	needs := map[corev1.ResourceName]Need{}
	if ask := e.MemoryRequest; ask > 0 {
		needs[corev1.ResourceMemory] = Need{
			Lower:  wholeMiB(min(e.PeakMemory.P50, ask)),
			Target: wholeMiB(ask),
			Upper:  wholeMiB(2 * max(e.PeakMemory.P99, ask)),
		}
	}
	if peak := e.PeakCPU; !peak.IsZero() {
		needs[corev1.ResourceCPU] = Need{
			Lower:  int64(peak.P50),
			Target: millicores(jobCPUMargin * peak.P90.Float64()),
			Upper:  2 * millicores(jobCPUMargin*peak.P99.Float64()),
		}
	}
	return Needs{main.Name: needs}
}

// wholeMiB rounds up.
func wholeMiB(b predictor.Bytes) int64 {
	return int64((b + predictor.MiB - 1) / predictor.MiB * predictor.MiB)
}
