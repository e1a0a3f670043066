package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// runningPod runs on node n since noon, which its status knows to the second only.
func runningPod(name string, gpus int64, annotations map[string]string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: name, UID: types.UID("uid-" + name), Annotations: map[string]string{}},
		Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{
			{Name: "main", Image: "train:1", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{gpu: *resource.NewQuantity(gpus, resource.DecimalSI)},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
			}},
			{Name: "sidecar", Image: "log:1"},
		}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &metav1.Time{Time: noon}},
	}
	for k, v := range annotations {
		p.Annotations[annotation+k] = v
	}
	if runtime, err := time.ParseDuration(annotations["runtime"]); err == nil {
		p.Status.Conditions = []corev1.PodCondition{{Type: annotation + "Ends", Message: noon.Add(400*time.Millisecond + runtime).Format(time.RFC3339Nano)}}
	}
	return p
}

func follow(t *testing.T, p *corev1.Pod) running {
	r, err := newRunning(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCPUSeconds(t *testing.T) {
	timed := follow(t, runningPod("a", 0, map[string]string{"runtime": "10s", "cpu-cores": "1.5"}))
	forever := follow(t, runningPod("b", 0, map[string]string{"cpu-cores": "2"}))
	for _, test := range []struct {
		r     running
		after time.Duration
		want  float64
	}{
		{timed, 0, 0}, // the pod's status says that it runs, 0.4 s early
		{timed, 1400 * time.Millisecond, 1.5},
		{timed, 10400 * time.Millisecond, 15},
		{timed, 12 * time.Second, 15}, // late to end, not over its runtime
		{forever, time.Hour, 7200},
	} {
		if got := test.r.cpuSeconds(noon.Add(test.after)); got != test.want {
			t.Errorf("%s after %v: %v CPU seconds, want %v", test.r.Name, test.after, got, test.want)
		}
	}
}

func TestCAdvisorSeries(t *testing.T) {
	r := follow(t, runningPod("a", 0, map[string]string{"memory-bytes": "8e9", "cpu-cores": "1"}))
	collected := &collector{collect: func(out chan<- prometheus.Metric) { r.cadvisor(noon.Add(3*time.Second), out) }}
	// The pod's own cgroup has no container's name: queries must not count it twice. Memory ends at the limit.
	want := `
		# HELP container_cpu_usage_seconds_total of the test cluster
		# TYPE container_cpu_usage_seconds_total counter
		container_cpu_usage_seconds_total{container="main",cpu="total",id="/kubepods/poduid-a/main",image="train:1",name="uid-a-main",namespace="ml",node="n",pod="a"} 3
		container_cpu_usage_seconds_total{cpu="total",id="/kubepods/poduid-a",namespace="ml",node="n",pod="a"} 3
		# HELP container_memory_working_set_bytes of the test cluster
		# TYPE container_memory_working_set_bytes gauge
		container_memory_working_set_bytes{container="main",id="/kubepods/poduid-a/main",image="train:1",name="uid-a-main",namespace="ml",node="n",pod="a"} 4.294967296e+09
		container_memory_working_set_bytes{id="/kubepods/poduid-a",namespace="ml",node="n",pod="a"} 4.294967296e+09
	`
	if err := testutil.CollectAndCompare(collected, strings.NewReader(want), "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"); err != nil {
		t.Error(err)
	}
}

// A GPU keeps its UUID, a pod its GPUs while it runs, and what nobody holds is idle.
func TestGPUsGoFromPodToPod(t *testing.T) {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"nvidia.com/gpu.product": "H100"}},
		Status:     corev1.NodeStatus{Capacity: corev1.ResourceList{gpu: resource.MustParse("3")}},
	}
	held := devices{}
	a := follow(t, runningPod("a", 2, map[string]string{"gpu-utilization": "80"}))
	b := follow(t, runningPod("b", 1, map[string]string{"gpu-utilization": "50"}))
	c := follow(t, runningPod("c", 1, map[string]string{"gpu-utilization": "10"}))
	for _, step := range []struct {
		name string
		pods []running
		want []string // of each GPU: holder and utilization
	}{
		{"nobody", nil, []string{" 0", " 0", " 0"}},
		{"two start", []running{b, a}, []string{"a 80", "a 80", "b 50"}},
		{"one ends", []running{b}, []string{" 0", " 0", "b 50"}},
		{"another starts", []running{b, c}, []string{"c 10", " 0", "b 50"}},
	} {
		collected := &collector{collect: func(out chan<- prometheus.Metric) { held.dcgm([]*corev1.Node{node}, step.pods, out) }}
		var want strings.Builder
		want.WriteString("# HELP DCGM_FI_DEV_GPU_UTIL of the test cluster\n# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n")
		for i, w := range step.want {
			name, value, _ := strings.Cut(w, " ")
			container, holder := "", ""
			if name != "" {
				container, holder = `,container="main"`, fmt.Sprintf(`,namespace="ml",pod=%q`, name)
			}
			labels := fmt.Sprintf(`Hostname="n",UUID="GPU-n-%d"%s,device="nvidia%d",gpu="%d",modelName="H100"%s`, i, container, i, i, holder)
			fmt.Fprintf(&want, "DCGM_FI_DEV_GPU_UTIL{%s} %s\n", labels, value)
		}
		if err := testutil.CollectAndCompare(collected, strings.NewReader(want.String()), "DCGM_FI_DEV_GPU_UTIL"); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

// Only pods that run have usage; a wrong annotation costs its own pod the series, not the others.
func TestRunning(t *testing.T) {
	ended := runningPod("ended", 0, nil)
	ended.Status.Phase = corev1.PodSucceeded
	wrong := runningPod("wrong", 0, map[string]string{"cpu-cores": "many"})
	good := runningPod("good", 0, map[string]string{"cpu-cores": "1"})
	e := &exporter{log: logger(t)}
	if got := e.running([]*corev1.Pod{ended, wrong, good}); len(got) != 1 || got[0].Name != "good" {
		t.Errorf("running: %v", got)
	}
}
