// Package promql asks a Prometheus-compatible store about finished jobs: what they
// used (collector.UsageSource), and, for jobs from before the installation, that
// they existed (collector.HistorySource). It is the only place with PromQL, with
// metric names and with their units.
//
// The queries are data: templates.yaml, one named template a fact, each of which a
// user can replace (Config.Templates). They read kube-state-metrics (lifecycle,
// requests), the kubelet's cAdvisor (memory, CPU) and NVIDIA's dcgm-exporter (GPU).
//
// How they are asked:
//
//   - A finished job's series are stale, so every query is an instant query at the
//     end of a window, over a range selector as long as the window. Jobs are batched
//     by namespace and by runtime, so that the window fits all of a batch.
//   - Every query aggregates with max before it joins or adds: two replicas of
//     Prometheus or kube-state-metrics then count once.
//   - A batch that the server finds too large is halved until it fits. Passing
//     faults are retried. An answer with warnings is an answer in part, and an error.
//
// What a number means:
//
//   - A container's memory is the largest of its instances (restarts), a pod's the
//     sum over its containers, a job's the largest pod's. The sum of peaks is an
//     upper bound on the peak of the sum, and what a pod needs: limits hold for each
//     container, and the peaks of all must fit. Init containers run before the
//     others, so a pod needs the larger of the largest init container and that sum.
//     (The peak of the sum would need a subquery over cAdvisor's series, which carry
//     their own timestamps and so overlap after a restart: one container counts twice.)
//   - CPU seconds are the last value of each container instance's counter, which
//     starts at zero with the instance; no extrapolation, and one sample is enough.
//   - A GPU's first half minute belongs to whoever had it before, since dcgm-exporter
//     attributes late; it is left out, and so are jobs of less than a minute.
//   - What is not measured is missing, never zero.
package promql
