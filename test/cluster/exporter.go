package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// exporter shows what cAdvisor and dcgm-exporter would of the pods that run, from their annotations. As with
// the real ones, a pod's series stop when it ends, and the last value is that of the last scrape before. Of
// each claim of a volume it shows, as a kubelet that has it mounted, that it is empty.
//
// It stands in for kwok's own metrics, which go on after a pod's end, start to count CPU at the first scrape,
// and keep one registry a node, so that the paths of one node erase each other's series.
type exporter struct {
	log      *slog.Logger
	listener net.Listener
	server   *http.Server
}

func newExporter(log *slog.Logger) (*exporter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	return &exporter{log: log, listener: l, server: &http.Server{ReadHeaderTimeout: 5 * time.Second}}, nil
}

func (e *exporter) port() int { return e.listener.Addr().(*net.TCPAddr).Port }

// follow starts to serve once the pods and nodes are known, and follows them until ctx is done.
func (e *exporter) follow(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, nodes := factory.Core().V1().Pods().Lister(), factory.Core().V1().Nodes().Lister()
	claims := factory.Core().V1().PersistentVolumeClaims().Lister()
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("exporter: list %v: %w", kind, ctx.Err())
		}
	}
	running := func() []running {
		all, err := pods.List(labels.Everything())
		if err != nil {
			e.log.Error("list pods", "error", err)
		}
		return e.running(all)
	}
	held := devices{}
	mux := http.NewServeMux()
	mux.Handle("/metrics/cadvisor", handler(func(out chan<- prometheus.Metric) {
		now := time.Now()
		for _, r := range running() {
			r.cadvisor(now, out)
		}
	}))
	mux.Handle("/metrics/dcgm", handler(func(out chan<- prometheus.Metric) {
		all, err := nodes.List(labels.Everything())
		if err != nil {
			e.log.Error("list nodes", "error", err)
		}
		held.dcgm(all, running(), out)
	}))
	mux.Handle("/metrics", handler(func(out chan<- prometheus.Metric) {
		all, err := claims.List(labels.Everything())
		if err != nil {
			e.log.Error("list claims", "error", err)
		}
		for _, c := range all {
			volume(c, out)
		}
	}))
	e.server.Handler = mux
	go func() {
		if err := e.server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("exporter ended", "error", err)
		}
	}()
	return nil
}

// close stops serving; the listener may never have been served.
func (e *exporter) close() { _, _ = e.server.Close(), e.listener.Close() }

// running are those of the pods that run; one with a wrong annotation is left out, and logged.
func (e *exporter) running(pods []*corev1.Pod) []running {
	var all []running
	for _, p := range pods {
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		r, err := newRunning(p)
		if err != nil {
			e.log.Error("pod has no usage", "pod", p.Namespace+"/"+p.Name, "error", err)
			continue
		}
		all = append(all, r)
	}
	return all
}

// handler serves what the function sends, asking it one scrape at a time.
func handler(collect func(chan<- prometheus.Metric)) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{collect: collect})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

type collector struct {
	mu      sync.Mutex
	collect func(chan<- prometheus.Metric)
}

// Describe sends nothing: the metrics are not checked against a description.
func (*collector) Describe(chan<- *prometheus.Desc) {}

func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.collect(out)
}
