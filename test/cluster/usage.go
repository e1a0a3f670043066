package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	annotation = "test.runcast.dev/"
	gpu        = "nvidia.com/gpu"
)

// running is a pod that runs, and what it uses meanwhile.
type running struct {
	*corev1.Pod
	started time.Time
	runtime time.Duration // 0: until it is deleted

	memoryBytes, cpuCores, gpuUtilization, gpuMemoryMiB float64
}

func newRunning(p *corev1.Pod) (running, error) {
	r := running{Pod: p}
	for name, value := range map[string]*float64{
		"memory-bytes": &r.memoryBytes, "cpu-cores": &r.cpuCores,
		"gpu-utilization": &r.gpuUtilization, "gpu-memory-mib": &r.gpuMemoryMiB,
	} {
		text, ok := p.Annotations[annotation+name]
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return r, fmt.Errorf("annotation %s%s: %w", annotation, name, err)
		}
		*value = x
	}
	if limit := p.Spec.Containers[0].Resources.Limits.Memory().AsApproximateFloat64(); limit > 0 {
		r.memoryBytes = min(r.memoryBytes, limit)
	}
	if p.Status.StartTime == nil {
		return r, fmt.Errorf("runs without a start time")
	}
	r.started = p.Status.StartTime.Time
	for _, c := range p.Status.Conditions {
		if c.Type != annotation+"Ends" {
			continue
		}
		// It tells the start to the nanosecond, where the start time is in whole seconds.
		ends, err := time.Parse(time.RFC3339Nano, c.Message)
		if err != nil {
			return r, fmt.Errorf("condition %s: %w", c.Type, err)
		}
		if r.runtime, err = time.ParseDuration(p.Annotations[annotation+"runtime"]); err != nil {
			return r, fmt.Errorf("annotation %sruntime: %w", annotation, err)
		}
		r.started = ends.Add(-r.runtime)
	}
	return r, nil
}

// cpuSeconds is what the pod has used so far: never more than its whole runtime's worth, even if its end is a
// little late.
func (r running) cpuSeconds(now time.Time) float64 {
	age := max(0, now.Sub(r.started))
	if r.runtime > 0 {
		age = min(age, r.runtime)
	}
	return r.cpuCores * age.Seconds()
}

// cadvisor sends the series of the pod's first container and, like the kubelet, the same again for the pod's
// own cgroup, without the container's name.
func (r running) cadvisor(now time.Time, out chan<- prometheus.Metric) {
	c := r.Spec.Containers[0]
	cgroup := "/kubepods/pod" + string(r.UID)
	for _, of := range [][]string{
		{"id", cgroup + "/" + c.Name, "name", string(r.UID) + "-" + c.Name, "container", c.Name, "image", c.Image},
		{"id", cgroup, "name", "", "container", "", "image", ""},
	} {
		of = append(of, "namespace", r.Namespace, "pod", r.Name, "node", r.Spec.NodeName)
		send(out, prometheus.CounterValue, "container_cpu_usage_seconds_total", r.cpuSeconds(now), append(of, "cpu", "total")...)
		if r.memoryBytes > 0 {
			send(out, prometheus.GaugeValue, "container_memory_working_set_bytes", r.memoryBytes, of...)
			send(out, prometheus.GaugeValue, "container_memory_max_usage_bytes", r.memoryBytes, of...)
			send(out, prometheus.GaugeValue, "container_memory_cache", 0, of...)
		}
	}
}

// gpus is how many GPUs the pod's container holds.
func gpus(c corev1.Container) int64 {
	n := c.Resources.Requests[gpu]
	return n.Value()
}

// devices tells which pod holds which GPU: for each node, the holder of each of its GPUs, empty if none. A GPU
// keeps its UUID when its holder changes.
type devices map[string][]types.UID

// dcgm sends the series of every GPU of the nodes, those that no pod holds included.
func (d devices) dcgm(nodes []*corev1.Node, pods []running, out chan<- prometheus.Metric) {
	pods = slices.SortedFunc(slices.Values(pods), func(a, b running) int {
		return cmp.Or(a.started.Compare(b.started), cmp.Compare(a.UID, b.UID))
	})
	byUID := map[types.UID]running{}
	for _, p := range pods {
		byUID[p.UID] = p
	}
	for _, n := range nodes {
		d.assign(n, pods)
		for i, holder := range d[n.Name] {
			p := byUID[holder] // zero: nobody's
			of := []string{
				"gpu", strconv.Itoa(i), "device", fmt.Sprintf("nvidia%d", i), "UUID", fmt.Sprintf("GPU-%s-%d", n.Name, i),
				"modelName", n.Labels[gpu+".product"], "Hostname", n.Name,
			}
			if p.Pod != nil {
				of = append(of, "namespace", p.Namespace, "pod", p.Name, "container", holds(p))
			}
			send(out, prometheus.GaugeValue, "DCGM_FI_DEV_GPU_UTIL", p.gpuUtilization, of...)
			send(out, prometheus.GaugeValue, "DCGM_FI_DEV_FB_USED", p.gpuMemoryMiB, of...)
		}
	}
}

// assign frees the GPUs of the node whose pods have ended and gives free ones to those that have started.
func (d devices) assign(n *corev1.Node, pods []running) {
	capacity := n.Status.Capacity[gpu]
	slots := d[n.Name]
	if slots == nil {
		slots = make([]types.UID, capacity.Value())
		d[n.Name] = slots
	}
	missing := map[types.UID]int64{} // GPUs that a pod should hold and does not
	for _, p := range pods {
		if p.Spec.NodeName == n.Name {
			for _, c := range p.Spec.Containers {
				missing[p.UID] += gpus(c)
			}
		}
	}
	for i, holder := range slots {
		if missing[holder] > 0 {
			missing[holder]--
		} else {
			slots[i] = ""
		}
	}
	for _, p := range pods {
		for i := 0; i < len(slots) && missing[p.UID] > 0; i++ {
			if slots[i] == "" {
				slots[i] = p.UID
				missing[p.UID]--
			}
		}
	}
}

// holds is the first of the pod's containers that asks for a GPU.
func holds(p running) string {
	i := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return gpus(c) > 0 })
	return p.Spec.Containers[i].Name
}

// volume sends the series of a claim's volume, of which nothing is used.
func volume(c *corev1.PersistentVolumeClaim, out chan<- prometheus.Metric) {
	size := c.Spec.Resources.Requests.Storage().AsApproximateFloat64()
	for _, name := range []string{"kubelet_volume_stats_capacity_bytes", "kubelet_volume_stats_available_bytes"} {
		send(out, prometheus.GaugeValue, name, size, "namespace", c.Namespace, "persistentvolumeclaim", c.Name)
	}
}

// send sends one sample. Labels come in pairs; an empty one is as none.
func send(out chan<- prometheus.Metric, kind prometheus.ValueType, name string, value float64, pairs ...string) {
	with := prometheus.Labels{}
	for pair := range slices.Chunk(pairs, 2) {
		with[pair[0]] = pair[1]
	}
	maps.DeleteFunc(with, func(_, value string) bool { return value == "" })
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, "of the test cluster", nil, with), kind, value)
}
