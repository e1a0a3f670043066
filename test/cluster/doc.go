// Package cluster runs a real Kubernetes control plane on loopback, built from Go modules, without
// containers: etcd, kube-apiserver, the Job controller, kube-scheduler, kube-state-metrics and Prometheus
// are the real ones. kwok plays the nodes and their pods, and a small exporter plays cAdvisor and
// dcgm-exporter.
//
// What it cannot show: real kernels' memory peaks, real OOM kills, real GPUs.
//
// A pod does what its annotations say:
//
//	test.runcast.dev/runtime         how long it runs, a Go duration; without it, until it is deleted
//	test.runcast.dev/exit-code       how it ends, 0 by default
//	test.runcast.dev/oom             "true": killed for memory when its time is up
//	test.runcast.dev/memory-bytes    working set; above its memory limit it is killed when its time is up
//	test.runcast.dev/cpu-cores       use of CPU
//	test.runcast.dev/gpu-utilization percent, of each of its GPUs
//	test.runcast.dev/gpu-memory-mib  framebuffer, of each of its GPUs
//
// All containers of a pod end together. Memory and CPU are used by the first of them. A container is not
// restarted: a Job's restartPolicy OnFailure behaves as Never.
package cluster
