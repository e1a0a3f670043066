// Package recommender is a recommender for the Vertical Pod Autoscaler, named
// "runcast": it writes the status of the VerticalPodAutoscalers that choose it by
// spec.recommenders, and of no others. VPA's own updater and admission controller
// act on it.
//
// A CronJob, or a Job, is sized by the finished runs of its template, by way of the
// predictor's Estimate (see jobs.go). Anything that keeps running is sized by what
// its pods have used over the last eight days (see services.go). Both give a Need of
// each container; recommend fits it to the resource policy, to LimitRanges and to the
// nodes. These parts are pure: data in, data out, time an argument. The rest is the
// loop around them.
//
// Use comes from Prometheus, as intervals of cAdvisor's samples, rather than from
// the metrics API: a Prometheus remembers eight days, so that a restart loses
// nothing and no checkpoints are needed, and it has the peaks between two looks,
// which an instant of the metrics API misses. Jobs need neither: their records hold
// what they used.
//
// Without a predictor or a Prometheus the status stays as it is: advice grows old, it
// does not vanish.
//
// Permissions: get, list and watch verticalpodautoscalers and patch
// verticalpodautoscalers/status (autoscaling.k8s.io); list and watch nodes and
// limitranges; list pods; get cronjobs and jobs (batch), deployments, statefulsets,
// daemonsets and replicasets (apps) and replicationcontrollers, and */scale of other
// kinds; with an election, get, create and update leases (coordination.k8s.io) in its namespace.
package recommender
