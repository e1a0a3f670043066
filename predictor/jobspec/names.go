// Package jobspec reads a batch/v1 Job as the vocabulary's JobSpec, and carries an
// Estimate on its annotations, both ways. The collector and the scheduler see the
// same Job through this one package, so that a job looks the same when it is
// predicted and when it is learned from.
//
// A malformed annotation is never fatal: it is left out and reported as a Problem.
package jobspec

// Labels and annotations Runcast reads from a Job.
const (
	Prefix = "runcast.dev/"

	LabelQueue = Prefix + "queue-name" // opts in to the queue

	AnnotationExpectedRuntime = Prefix + "expected-runtime" // Go duration
	AnnotationDeadline        = Prefix + "deadline"         // RFC 3339
	AnnotationEarliestStart   = Prefix + "earliest-start"   // RFC 3339
	AnnotationFamily          = Prefix + "job-family"       // history key
	AnnotationRightSize       = Prefix + "right-size"       // a RightSize
	AnnotationUser            = Prefix + "user"             // who submitted; the webhook fills it in
	FeaturePrefix             = "feature." + Prefix         // declared inputs
)

// Annotations Runcast writes on a Job.
const (
	AnnotationRuntime       = Prefix + "predicted-runtime-seconds" // p50, with -p10 and -p90 beside it
	AnnotationRuntimeP10    = AnnotationRuntime + "-p10"
	AnnotationRuntimeP90    = AnnotationRuntime + "-p90"
	AnnotationPeakMemory    = Prefix + "predicted-peak-memory-bytes" // p50, with -p90 beside it
	AnnotationPeakMemoryP90 = AnnotationPeakMemory + "-p90"
	AnnotationMemoryRequest = Prefix + "recommended-memory-request-bytes" // of a pod
	AnnotationUserMemory    = Prefix + "user-memory-request-bytes"        // of a pod, what a Job that was resized asked for before
	AnnotationModel         = Prefix + "model"
	AnnotationStart         = Prefix + "estimated-start-time" // RFC 3339, p50
	AnnotationReserved      = Prefix + "reserved-start-time"  // RFC 3339, p90; of a Job that has a reservation
	AnnotationEnd           = Prefix + "estimated-end-time"   // RFC 3339, p50
	AnnotationDecision      = Prefix + "decision"             // why it runs or waits
)

// Conventions of other projects, read as hints or as kill limits.
const (
	kaiExpectedRuntime     = "kai.scheduler/expected-runtime"                   // Go duration, expectation
	chronosExpectedSeconds = "scheduling.workload.io/expected-duration-seconds" // seconds, expectation
	kueueMaxExecSeconds    = "kueue.x-k8s.io/max-exec-time-seconds"             // label, kill limit
	provisioningMaxSeconds = "provreq.kueue.x-k8s.io/maxRunDurationSeconds"     // kill limit
	slurmTimeLimitMinutes  = "slurmjob.slinky.slurm.net/timelimit"              // kill limit

	// LabelKueueQueue marks a Job that belongs to Kueue: Runcast never releases it.
	LabelKueueQueue = "kueue.x-k8s.io/queue-name"

	defaultContainer = "kubectl.kubernetes.io/default-container"
)

// Labels of a node, and of a node selector, that say what hardware it is.
const (
	LabelGPUProduct   = "nvidia.com/gpu.product"
	LabelInstanceType = "node.kubernetes.io/instance-type"
)
