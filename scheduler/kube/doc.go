// Package kube runs the plan on a cluster: it turns what the API server knows into
// a scheduler.Snapshot, carries the decisions out with Kubernetes' own verbs, and
// leaves binding to kube-scheduler.
//
// A batch/v1 Job with the label runcast.dev/queue-name that is suspended waits in
// the queue. The Webhook suspends such Jobs when they are created; a Loop releases
// each by one patch: suspend=false, a preference for the nodes that the plan counts
// on, and as annotations the prediction and the reason. What it decides and foretells
// is on the Job: annotations and the Events Predicted, Reserved, Held, Released,
// Backfilled. A Job that a user suspends again waits again; one that carries Kueue's
// queue label, or another controller in spec.managedBy, is never touched beyond an
// annotation that says so.
//
// All state is in the API server. Every replica keeps its caches warm and plans,
// so that each can answer for the queue (it is a predictor.Queue); only the
// replica that holds the Lease acts. A new leader keeps the reservations of the one
// before: they are on the Jobs.
//
// # When something is dead
//
//   - The predictor: a job is planned with the estimate on its annotations, else
//     with the user's own estimate or limit, else in order of submission.
//   - The webhook: its failure policy is Ignore, so new Jobs run at once, unqueued.
//   - One Loop: another replica takes the Lease within LeaseDuration. A release is
//     conditional on the very Job it was decided on, so none happens twice.
//   - Every Loop, for good: running Jobs run on; Jobs that wait stay suspended.
//     ReleaseAll releases them, in no order ("runcast queue --release-all").
//   - The Job controller or kube-scheduler: nothing could run anyway; released Jobs
//     keep their room in the plan, so the queue does not drain into the void.
//
// # What a plan does not see
//
// Volumes, topology spread, inter-pod affinity, host ports, dynamic resource
// claims, pod overhead of a RuntimeClass, and defaults of a LimitRange before the
// pods exist. kube-scheduler honours them all; pods that it cannot place hold room
// in the plan for UnplacedGrace only.
//
// # Permissions
//
//	""                     nodes, pods                    get list watch
//	batch                  jobs                           get list watch patch
//	scheduling.k8s.io      priorityclasses                get list watch
//	events.k8s.io          events                         create patch
//	coordination.k8s.io    leases (own namespace)         get create update
//
// The webhook needs none.
package kube
