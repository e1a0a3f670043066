//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

// A kind of job recurs under generated names.
type kind struct {
	name    string
	runtime time.Duration // median; runs differ from it by up to a tenth
	gpus    int
	outcome predictor.Outcome
	runs    int // among the jobs that teach
	queued  int // among the jobs of the backlog
}

// kinds spans two orders of magnitude in runtime and 1 to 8 GPUs: many short jobs,
// and a few that hold most of the GPU time.
var kinds = []kind{
	{"lint", 1500 * time.Millisecond, 1, predictor.Succeeded, 8, 16},
	{"unit-test", 4 * time.Second, 2, predictor.Succeeded, 8, 16},
	{"eval", 8 * time.Second, 2, predictor.Succeeded, 8, 14},
	{"embed", 16 * time.Second, 4, predictor.Succeeded, 7, 12},
	{"distill", 20 * time.Second, 4, predictor.Succeeded, 7, 13},
	{"finetune", 25 * time.Second, 8, predictor.Succeeded, 5, 14},
	{"sweep", 60 * time.Second, 4, predictor.Succeeded, 5, 10},
	{"pretrain", 100 * time.Second, 4, predictor.Succeeded, 4, 5},
	{"flaky", 5 * time.Second, 1, predictor.Failed, 4, 0},
	{"hungry", 8 * time.Second, 1, predictor.OOMKilled, 4, 0},
}

// A run is one job of a kind, and what will come of it.
type run struct {
	kind    *kind
	name    string
	runtime time.Duration
	memory  predictor.Bytes
	cores   float64
	gpuUse  float64
}

// runsOf makes count(k) runs of each kind in random order, each under a new name.
func runsOf(src *rand.Rand, count func(*kind) int) []run {
	var runs []run
	for i := range kinds {
		k := &kinds[i]
		for range count(k) {
			runs = append(runs, run{
				kind: k, name: fmt.Sprintf("%s-%s", k.name, suffix(src)),
				runtime: time.Duration(float64(k.runtime) * (0.9 + 0.2*src.Float64())).Round(100 * time.Millisecond),
				memory:  predictor.Bytes(float64(k.gpus) * (3 + src.Float64()) * float64(predictor.GiB)),
				cores:   float64(k.gpus) * (0.5 + src.Float64()),
				gpuUse:  float64(40 + src.IntN(60)),
			})
		}
	}
	src.Shuffle(len(runs), func(a, b int) { runs[a], runs[b] = runs[b], runs[a] })
	return runs
}

// suffix is one that generateName could have made.
func suffix(src *rand.Rand) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[src.IntN(len(letters))]
	}
	return string(b)
}

// job is the manifest of a run, in a namespace and on the nodes of a pool ("" for
// any). With a queue it is suspended and waits there.
func (r *run) job(namespace, pool, queue string) *batchv1.Job {
	noRetry := int32(0)
	notes := map[string]string{
		"test.runcast.dev/runtime":         r.runtime.String(),
		"test.runcast.dev/memory-bytes":    strconv.FormatInt(int64(r.memory), 10),
		"test.runcast.dev/cpu-cores":       strconv.FormatFloat(r.cores, 'g', -1, 64),
		"test.runcast.dev/gpu-utilization": strconv.FormatFloat(r.gpuUse, 'g', -1, 64),
		"test.runcast.dev/gpu-memory-mib":  "20000",
	}
	switch r.kind.outcome {
	case predictor.Failed:
		notes["test.runcast.dev/exit-code"] = "3"
	case predictor.OOMKilled:
		notes["test.runcast.dev/oom"] = "true"
	}
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: r.name, Namespace: namespace},
		Spec: batchv1.JobSpec{
			BackoffLimit: &noRetry,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Annotations: notes},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever,
					Containers: []corev1.Container{{
						Name: "main", Image: "registry/" + r.kind.name + ":1", Command: []string{r.kind.name},
						Resources: corev1.ResourceRequirements{
							Requests: corev1.ResourceList{
								corev1.ResourceCPU:    resource.MustParse(strconv.Itoa(2 * r.kind.gpus)),
								corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dGi", 8*r.kind.gpus)),
							},
							Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse(strconv.Itoa(r.kind.gpus))},
						},
					}},
				},
			},
		},
	}
	if pool != "" {
		j.Spec.Template.Spec.NodeSelector = map[string]string{poolLabel: pool}
	}
	if queue != "" {
		suspend := true
		j.Spec.Suspend = &suspend
		j.Labels = map[string]string{jobspec.LabelQueue: queue}
	}
	return j
}
