//go:build e2e

package cluster

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

func stderrLogger() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func startCluster(t testing.TB) *Cluster {
	t.Helper()
	begin := time.Now()
	c, err := Start(t.Context(), logger(t), t.TempDir(), map[string]string{accountToken: serviceAccount})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	t.Logf("started in %v", time.Since(begin).Round(10*time.Millisecond))
	return c
}

// eventually waits until f says so; an error of f is told if that takes too long.
func eventually(t testing.TB, what string, f func(context.Context) (bool, error)) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (ok bool, _ error) {
		ok, last = f(ctx)
		return ok && last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v (last: %v)", what, err, last)
	}
}

// newJob is a Job of one pod, not retried, with the annotations of this package.
func newJob(name string, annotations map[string]string) *batchv1.Job {
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "main", Image: "train:1", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
			}}},
		},
	}
	for k, v := range annotations {
		template.Annotations[annotation+k] = v
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       batchv1.JobSpec{BackoffLimit: new(int32(0)), Template: template},
	}
}

func limitMemory(j *batchv1.Job, limit string) {
	j.Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}
}

func withGPUs(j *batchv1.Job, n int64) {
	resources := &j.Spec.Template.Spec.Containers[0].Resources
	resources.Requests[gpu] = *resource.NewQuantity(n, resource.DecimalSI)
	resources.Limits = corev1.ResourceList{gpu: resources.Requests[gpu]}
}

func create(t testing.TB, c *Cluster, jobs ...*batchv1.Job) {
	t.Helper()
	for _, j := range jobs {
		if _, err := c.Client().BatchV1().Jobs(j.Namespace).Create(t.Context(), j, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func suspend(t testing.TB, c *Cluster, name string, is bool) {
	t.Helper()
	patch := `{"spec":{"suspend":true}}`
	if !is {
		patch = `{"spec":{"suspend":false}}`
	}
	if _, err := c.Client().BatchV1().Jobs("default").Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// waitForPod waits until a pod of the job runs.
func waitForPod(t testing.TB, c *Cluster, job string) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	client := c.Client().CoreV1().Pods("default")
	eventually(t, "pod of "+job, func(ctx context.Context) (bool, error) {
		pods, err := client.List(ctx, metav1.ListOptions{LabelSelector: "app=" + job})
		if err != nil {
			return false, err
		}
		for i, p := range pods.Items {
			if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
				found = &pods.Items[i]
			}
		}
		return found != nil, nil
	})
	return found
}

// waitForJob waits until the job has the condition.
func waitForJob(t testing.TB, c *Cluster, name string, want batchv1.JobConditionType) *batchv1.Job {
	t.Helper()
	var job *batchv1.Job
	client := c.Client().BatchV1().Jobs("default")
	eventually(t, "job "+name+" "+string(want), func(ctx context.Context) (_ bool, err error) {
		job, err = client.Get(ctx, name, metav1.GetOptions{})
		return err == nil && condition(job, want) != nil, err
	})
	return job
}

func condition(j *batchv1.Job, want batchv1.JobConditionType) *batchv1.JobCondition {
	for i, c := range j.Status.Conditions {
		if c.Type == want && c.Status == corev1.ConditionTrue {
			return &j.Status.Conditions[i]
		}
	}
	return nil
}

// podOf is the only pod of the job.
func podOf(t testing.TB, c *Cluster, job string) corev1.Pod {
	t.Helper()
	pods, err := c.Client().CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + job})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%s has %d pods", job, len(pods.Items))
	}
	return pods.Items[0]
}

func terminatedState(t testing.TB, pod corev1.Pod) *corev1.ContainerStateTerminated {
	t.Helper()
	if s := pod.Status.ContainerStatuses; len(s) != 1 || s[0].State.Terminated == nil {
		t.Fatalf("pod %s has not ended: %+v", pod.Name, pod.Status)
	}
	return pod.Status.ContainerStatuses[0].State.Terminated
}

// query is the answer of Prometheus now.
func query(ctx context.Context, c *Cluster, text string) (model.Vector, error) {
	client, err := promapi.NewClient(promapi.Config{Address: c.PrometheusURL()})
	if err != nil {
		return nil, err
	}
	v, _, _, err := promv1.NewAPI(client).Query(ctx, text, time.Now())
	if err != nil {
		return nil, err
	}
	return v.(model.Vector), nil
}
