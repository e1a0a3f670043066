package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
)

// exporter shows what cAdvisor and dcgm-exporter would of the pods that run, from
// their annotations. As with the real ones, a pod's series stop when it ends.
type exporter struct {
	pods   listers.PodLister
	server *http.Server
}

func startExporter(ctx context.Context, client kubernetes.Interface, address string) (*exporter, error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	e := &exporter{pods: factory.Core().V1().Pods().Lister()}
	factory.Start(ctx.Done()) // it waits for the API server by itself
	mux := http.NewServeMux()
	for path, c := range map[string]prometheus.Collector{
		"/metrics/cadvisor": podCollector{e.pods, cadvisor},
		"/metrics/dcgm":     podCollector{e.pods, dcgm},
	} {
		reg := prometheus.NewRegistry()
		reg.MustRegister(c)
		mux.Handle(path, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := e.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the test cluster is of no use without it
		}
	}()
	return e, nil
}

func (e *exporter) close() { _ = e.server.Close() }

// podCollector shows the metrics of every pod that runs.
type podCollector struct {
	pods listers.PodLister
	show func(*corev1.Pod, time.Duration, chan<- prometheus.Metric)
}

// Describe sends nothing: the metrics are not checked against a description.
func (podCollector) Describe(chan<- *prometheus.Desc) {}

func (c podCollector) Collect(out chan<- prometheus.Metric) {
	pods, err := c.pods.List(labels.Everything())
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		return
	}
	for _, p := range pods {
		if p.Status.Phase == corev1.PodRunning && len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Running != nil {
			c.show(p, time.Since(p.Status.ContainerStatuses[0].State.Running.StartedAt.Time), out)
		}
	}
}

func gauge(out chan<- prometheus.Metric, name string, value float64, pairs ...string) {
	send(out, prometheus.GaugeValue, name, value, pairs)
}

func send(out chan<- prometheus.Metric, kind prometheus.ValueType, name string, value float64, pairs []string) {
	with := prometheus.Labels{}
	for i := 0; i < len(pairs); i += 2 {
		with[pairs[i]] = pairs[i+1]
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, "of the test cluster", nil, with), kind, value)
}

// number is an annotation of the pod, zero if it is not one.
func number(p *corev1.Pod, name string) float64 {
	x, err := strconv.ParseFloat(p.Annotations["test.runcast.dev/"+name], 64)
	if err != nil {
		return 0
	}
	return x
}

func cadvisor(p *corev1.Pod, age time.Duration, out chan<- prometheus.Metric) {
	for _, c := range p.Spec.Containers {
		of := []string{"namespace", p.Namespace, "pod", p.Name, "container", c.Name, "image", c.Image, "id", "/kubepods/" + string(p.UID) + "/" + c.Name, "name", string(p.UID) + "-" + c.Name}
		if m := number(p, "memory-bytes"); m > 0 {
			gauge(out, "container_memory_working_set_bytes", m, of...)
			gauge(out, "container_memory_max_usage_bytes", m, of...)
			gauge(out, "container_memory_cache", 0, of...)
		}
		send(out, prometheus.CounterValue, "container_cpu_usage_seconds_total", number(p, "cpu-cores")*max(0, age.Seconds()), append(of, "cpu", "total"))
	}
}

func dcgm(p *corev1.Pod, _ time.Duration, out chan<- prometheus.Metric) {
	for _, c := range p.Spec.Containers {
		n := c.Resources.Requests["nvidia.com/gpu"]
		for i := range n.Value() {
			of := []string{"namespace", p.Namespace, "pod", p.Name, "container", c.Name, "gpu", strconv.FormatInt(i, 10), "UUID", fmt.Sprintf("GPU-%s-%s-%d", p.UID, c.Name, i)}
			gauge(out, "DCGM_FI_DEV_GPU_UTIL", number(p, "gpu-utilization"), of...)
			gauge(out, "DCGM_FI_DEV_FB_USED", number(p, "gpu-memory-mib"), of...)
		}
	}
}
