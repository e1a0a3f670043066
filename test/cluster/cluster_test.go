//go:build e2e

package cluster

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	serviceAccount = "system:serviceaccount:runcast:scheduler"
	accountToken   = "token-of-the-scheduler"
)

// One cluster serves all stories that do not end it.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	ctx := t.Context()
	if err := c.AddNodes(ctx,
		Node{Name: "gpu-1", CPUs: 16, Memory: "64Gi", GPUs: 4, GPUModel: "NVIDIA-H100-80GB-HBM3", Labels: map[string]string{"zone": "a"}},
		Node{Name: "cpu-1", CPUs: 32, Memory: "128Gi"},
	); err != nil {
		t.Fatal(err)
	}
	for _, story := range []struct {
		name string
		run  func(*testing.T, *Cluster)
	}{
		{"suspended job starts with its new request", suspendedJobStartsWithNewRequest},
		{"job runs as long as its annotation", jobRunsAsLongAsAnnotated},
		{"failing job", failingJob},
		{"memory above the limit", memoryAboveLimit},
		{"job suspended again", jobSuspendedAgain},
		{"usage of a finished job", usageOfFinishedJob},
		{"prometheus back", prometheusBack},
		{"kwok back", kwokBack},
		{"service account", serviceAccountOnly},
	} {
		// One after the other: a story that kills a program would spoil the rest.
		t.Run(story.name, func(t *testing.T) { story.run(t, c) })
	}
}

// Kubernetes 1.36 and later let a suspended Job's requests change: release and right-sizing are one update.
func suspendedJobStartsWithNewRequest(t *testing.T, c *Cluster) {
	job := newJob("sized", map[string]string{"runtime": "2s"})
	job.Spec.Suspend = new(true)
	create(t, c, job)
	patch := `[{"op":"replace","path":"/spec/template/spec/containers/0/resources/requests/memory","value":"3Gi"},
		{"op":"replace","path":"/spec/suspend","value":false}]`
	if _, err := c.Client().BatchV1().Jobs("default").Patch(t.Context(), "sized", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := waitForPod(t, c, "sized")
	if got := pod.Spec.Containers[0].Resources.Requests.Memory().String(); got != "3Gi" {
		t.Errorf("the pod runs with a request of %s", got)
	}
	waitForJob(t, c, "sized", batchv1.JobComplete)
}

// Also when the pod is written to meanwhile, as a collector or a controller might.
func jobRunsAsLongAsAnnotated(t *testing.T, c *Cluster) {
	create(t, c, newJob("timed", map[string]string{"runtime": "4s"}))
	pod := waitForPod(t, c, "timed")
	state := pod.Status.ContainerStatuses[0].State
	if state.Running == nil || state.Running.StartedAt.IsZero() || pod.Status.StartTime == nil {
		t.Errorf("a running pod's status: %+v", pod.Status)
	}
	eventually(t, "two seconds of running", func(context.Context) (bool, error) {
		return time.Since(pod.Status.StartTime.Time) > 2*time.Second, nil
	})
	if _, err := c.Client().CoreV1().Pods("default").Patch(t.Context(), pod.Name, types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"seen":"true"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	waitForJob(t, c, "timed", batchv1.JobComplete)
	terminated := terminatedState(t, podOf(t, c, "timed"))
	// The times in a status are whole seconds.
	if ran := terminated.FinishedAt.Sub(terminated.StartedAt.Time); ran < 3*time.Second || ran > 6*time.Second {
		t.Errorf("ran %v, want 4s", ran)
	}
	if terminated.ExitCode != 0 || terminated.Reason != "Completed" || terminated.ContainerID == "" {
		t.Errorf("ended as %+v", terminated)
	}
}

func failingJob(t *testing.T, c *Cluster) {
	create(t, c, newJob("failing", map[string]string{"runtime": "1s", "exit-code": "3"}))
	job := waitForJob(t, c, "failing", batchv1.JobFailed)
	if got := condition(job, batchv1.JobFailed).Reason; got != batchv1.JobReasonBackoffLimitExceeded {
		t.Errorf("the job failed for %s", got)
	}
	pod := podOf(t, c, "failing")
	if got := terminatedState(t, pod); got.ExitCode != 3 || got.Reason != "Error" || pod.Status.Phase != corev1.PodFailed {
		t.Errorf("pod %s, container %+v", pod.Status.Phase, got)
	}
}

// The same work is killed under a limit of 1 GiB and succeeds under 4 GiB; by annotation it is killed anyway.
func memoryAboveLimit(t *testing.T, c *Cluster) {
	small := newJob("small", map[string]string{"runtime": "1s", "memory-bytes": "2147483648"})
	large := newJob("large", map[string]string{"runtime": "1s", "memory-bytes": "2147483648"})
	limitMemory(small, "1Gi")
	limitMemory(large, "4Gi")
	doomed := newJob("doomed", map[string]string{"runtime": "1s", "oom": "true"})
	create(t, c, small, large, doomed)
	for _, name := range []string{"small", "doomed"} {
		waitForJob(t, c, name, batchv1.JobFailed)
		if got := terminatedState(t, podOf(t, c, name)); got.ExitCode != 137 || got.Reason != "OOMKilled" {
			t.Errorf("%s ended as %+v", name, got)
		}
	}
	waitForJob(t, c, "large", batchv1.JobComplete)
}

func jobSuspendedAgain(t *testing.T, c *Cluster) {
	create(t, c, newJob("stopped", map[string]string{"runtime": "1h"}))
	first := waitForPod(t, c, "stopped")
	suspend(t, c, "stopped", true)
	eventually(t, "the pod to go", func(ctx context.Context) (bool, error) {
		_, err := c.Client().CoreV1().Pods("default").Get(ctx, first.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	suspend(t, c, "stopped", false)
	if again := waitForPod(t, c, "stopped"); again.UID == first.UID {
		t.Error("the old pod runs")
	}
	policy := metav1.DeletePropagationBackground
	if err := c.Client().BatchV1().Jobs("default").Delete(t.Context(), "stopped", metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
		t.Fatal(err)
	}
}

// What a collector asks for after the end: within a scrape interval of the truth.
func usageOfFinishedJob(t *testing.T, c *Cluster) {
	const runtime, cores, memory, util, framebuffer = 7 * time.Second, 1.5, 3e9, 80, 20000
	job := newJob("used", map[string]string{
		"runtime": runtime.String(), "cpu-cores": fmt.Sprint(cores), "memory-bytes": fmt.Sprint(memory),
		"gpu-utilization": fmt.Sprint(util), "gpu-memory-mib": fmt.Sprint(framebuffer),
	})
	withGPUs(job, 2)
	create(t, c, job)
	waitForJob(t, c, "used", batchv1.JobComplete)
	pod := podOf(t, c, "used")
	if pod.Spec.NodeName != "gpu-1" {
		t.Errorf("a job with GPUs ran on %s", pod.Spec.NodeName)
	}
	of, exported := fmt.Sprintf(`{pod=%q,container!=""}`, pod.Name), fmt.Sprintf(`{exported_pod=%q}`, pod.Name)
	eventually(t, "the series to stop", func(ctx context.Context) (bool, error) {
		cpu, err := query(ctx, c, "container_cpu_usage_seconds_total"+of)
		if err != nil {
			return false, err
		}
		gpus, err := query(ctx, c, "DCGM_FI_DEV_GPU_UTIL"+exported)
		return len(cpu) == 0 && len(gpus) == 0, err
	})
	interval, err := time.ParseDuration(scrapeInterval)
	if err != nil {
		t.Fatal(err)
	}
	// A scrape may be a little late: half an interval more.
	unseen := 1.5 * interval.Seconds() * cores
	for _, want := range []struct {
		query    string
		low, top float64
	}{
		{"last_over_time(container_cpu_usage_seconds_total" + of + "[5m])", runtime.Seconds()*cores - unseen, runtime.Seconds() * cores},
		{"max_over_time(container_memory_working_set_bytes" + of + "[5m])", memory, memory},
		{"count(last_over_time(DCGM_FI_DEV_GPU_UTIL" + exported + "[5m]))", 2, 2},
		{"avg(avg_over_time(DCGM_FI_DEV_GPU_UTIL" + exported + "[5m]))", util, util},
		{"max(max_over_time(DCGM_FI_DEV_FB_USED" + exported + "[5m]))", framebuffer, framebuffer},
		{`kube_job_status_completion_time{job_name="used"} - kube_job_status_start_time`, 6, 10},
		{fmt.Sprintf(`kube_pod_owner{pod=%q,owner_kind="Job",owner_name="used"}`, pod.Name), 1, 1},
		{fmt.Sprintf(`kube_pod_labels{pod=%q,label_app="used"}`, pod.Name), 1, 1},
		{`kube_node_labels{node="gpu-1",label_nvidia_com_gpu_product="NVIDIA-H100-80GB-HBM3"}`, 1, 1},
	} {
		eventually(t, want.query, func(ctx context.Context) (bool, error) {
			got, err := query(ctx, c, want.query)
			if err != nil || len(got) == 0 {
				return false, err
			}
			if v := float64(got[0].Value); len(got) != 1 || v < want.low || v > want.top {
				return false, fmt.Errorf("got %v, want one of %v to %v", got, want.low, want.top)
			}
			return true, nil
		})
	}
}

// Prometheus comes back on its port with its data.
func prometheusBack(t *testing.T, c *Cluster) {
	const known = `count(last_over_time(kube_node_info[10m]))`
	eventually(t, "a first sample", func(ctx context.Context) (bool, error) {
		got, err := query(ctx, c, known)
		return len(got) == 1, err
	})
	if err := c.Kill("prometheus"); err != nil {
		t.Fatal(err)
	}
	if _, err := query(t.Context(), c, known); err == nil {
		t.Fatal("a killed Prometheus answers")
	}
	if err := c.Restart(t.Context(), "prometheus"); err != nil {
		t.Fatal(err)
	}
	got, err := query(t.Context(), c, known)
	if err != nil || len(got) != 1 {
		t.Errorf("after the restart: %v, %v", got, err)
	}
	if err := c.Kill("nothing"); err == nil {
		t.Error("an unknown program was killed")
	}
}

// A pod ends when its time is up, not a whole runtime after kwok has come back.
func kwokBack(t *testing.T, c *Cluster) {
	create(t, c, newJob("orphan", map[string]string{"runtime": "8s"}))
	pod := waitForPod(t, c, "orphan")
	eventually(t, "most of the runtime", func(context.Context) (bool, error) {
		return time.Since(pod.Status.StartTime.Time) > 6*time.Second, nil
	})
	if err := c.Kill("kwok"); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(t.Context(), "kwok"); err != nil {
		t.Fatal(err)
	}
	// A kwok that lists its pods before its own cache says that it holds their node leaves
	// them alone until they change.
	eventually(t, "the pod to end", func(ctx context.Context) (bool, error) {
		time.Sleep(time.Second)
		got, err := c.Client().CoreV1().Pods("default").Patch(ctx, pod.Name, types.MergePatchType,
			fmt.Appendf(nil, `{"metadata":{"annotations":{"seen":%q}}}`, time.Now()), metav1.PatchOptions{})
		return err == nil && got.Status.Phase == corev1.PodSucceeded, err
	})
	waitForJob(t, c, "orphan", batchv1.JobComplete)
	terminated := terminatedState(t, podOf(t, c, "orphan"))
	if ran := terminated.FinishedAt.Sub(terminated.StartedAt.Time); ran > 13*time.Second {
		t.Errorf("ran %v, want 8s and what kwok needs to start", ran)
	}
}

// A token's user has the groups of a service account and no rights but those that it is given.
func serviceAccountOnly(t *testing.T, c *Cluster) {
	config, err := clientcmd.BuildConfigFromFlags("", c.KubeconfigOf(serviceAccount))
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	who, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for _, g := range who.Status.UserInfo.Groups {
		groups[g] = true
	}
	want := map[string]bool{"system:serviceaccounts": true, "system:serviceaccounts:runcast": true, "system:authenticated": true}
	if who.Status.UserInfo.Username != serviceAccount || !maps.Equal(groups, want) {
		t.Errorf("the user is %+v", who.Status.UserInfo)
	}
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("nodes are listed without the right to: %v", err)
	}
}
