// Package kube sees batch/v1 Jobs finish and says what their objects know: exact
// times, outcome, exit code, attempts, kills for memory, the spec as it was at
// submission and the estimate that was in force then (collector.Lifecycles).
//
// # What counts as what
//
//   - Started is when the first pod of the run was taken by its kubelet, which is
//     when the job begins to hold resources; before it, pods wait for a node. Without
//     pods it is the Job's startTime.
//   - A run begins with the last resume: what a suspended Job did before is not part
//     of it, as its startTime says as well. A Job that ends suspended has no Started.
//   - Finished is the Job's completionTime; of a failed one the end of its last pod,
//     since the condition comes later by the back-off; of a deleted one the deletion
//     or the end of its last pod, whichever is later.
//   - Annotations that appear only after the start were not known at submission and
//     do not count: neither inputs nor estimates. Nor does the hardware that the pods
//     came to run on, but for what the Job selects: the next run's is not known either
//     when it is to be predicted.
//   - A Job deleted before it finished was cancelled. If only its absence is seen,
//     after the watch was interrupted, its end is unknown: it is counted and left to
//     the history source.
//
// # How it is seen
//
// Informers keep the Jobs, the pods that belong to Jobs and the priority classes;
// reflectors take care of disconnects. Pods may vanish before the end of their Job is
// seen, so what matters of each is kept beside the cache until the Job is delivered or
// gone. Finished Jobs that are there at the start are delivered as well. Nothing is
// written to the cluster.
//
// # Permissions
//
//	get, list, watch  batch                jobs
//	get, list, watch  (core)               pods
//	get, list, watch  scheduling.k8s.io    priorityclasses
//
// Priority classes belong to no namespace; without permission for them the priority is
// that of a job's pods, and the rest works.
package kube
