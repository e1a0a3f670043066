// Package cluster runs a real Kubernetes control plane on loopback, built from Go
// modules, without containers: etcd, kube-apiserver, the Job controller,
// kube-scheduler, kube-state-metrics and Prometheus are the real ones. kwok plays
// the nodes and their pods, and a small exporter plays cAdvisor and dcgm-exporter.
//
// What it cannot show: real kernels' memory peaks, real OOM kills, real GPUs.
//
// A pod does what its annotations say:
//
//	test.runcast.dev/runtime         how long it runs, a Go duration; without it, for good
//	test.runcast.dev/exit-code       how it ends, 0 by default
//	test.runcast.dev/oom             "true": killed for memory
//	test.runcast.dev/memory-bytes    its working set
//	test.runcast.dev/cpu-cores       its use of CPU
//	test.runcast.dev/gpu-utilization percent, of each of its GPUs
//	test.runcast.dev/gpu-memory-mib  framebuffer, of each of its GPUs
package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A Cluster is a running control plane. Stop it.
type Cluster struct {
	// Dir holds each program's log, data and configuration.
	Dir string

	processes []*process
	http      *http.Client
	ports     map[string]int
	exporter  *exporter
	stop      context.CancelFunc
}

// AdminToken authenticates a member of system:masters.
const AdminToken = "admin-of-a-test-cluster"

// Start starts a control plane under dir, which must exist, on free ports of
// loopback, and waits until all of it is ready: some ten seconds. It ends with ctx,
// with Stop or with this process, whichever comes first. tokens are further users:
// token -> user name, authenticated and without rights.
func Start(ctx context.Context, log *slog.Logger, dir string, tokens map[string]string) (*Cluster, error) {
	programs, err := Tools(ctx, log)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	c := &Cluster{
		Dir:  dir,
		stop: stop,
		http: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // self-signed, on loopback
			DisableKeepAlives: true,
		}},
	}
	if err := c.start(ctx, programs, tokens); err != nil {
		c.Stop()
		return nil, err
	}
	context.AfterFunc(ctx, func() {
		for _, p := range slices.Backward(c.processes) {
			p.kill()
		}
	})
	return c, nil
}

func (c *Cluster) start(ctx context.Context, programs map[string]string, tokens map[string]string) error {
	var err error
	if c.ports, err = freePorts("etcd", "etcd-peer", "apiserver", "controller-manager", "scheduler", "kwok", "ksm", "ksm-self", "exporter", "prometheus"); err != nil {
		return err
	}
	if err := c.writeFiles(tokens); err != nil {
		return err
	}
	if c.exporter, err = startExporter(ctx, c.Client(), c.address("exporter")); err != nil {
		return err
	}
	for _, p := range c.table(programs) {
		p.dir = c.Dir
		c.processes = append(c.processes, p)
		if err := p.start(ctx, c.http); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends every program and waits until it is gone. It may be called twice.
func (c *Cluster) Stop() {
	c.stop()
	for _, p := range slices.Backward(c.processes) {
		p.kill()
	}
	if c.exporter != nil {
		c.exporter.close()
	}
}

// Kill ends one program, such as "prometheus", with SIGKILL.
func (c *Cluster) Kill(name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	p.kill()
	return nil
}

// Restart starts a program that Kill has ended, on the same port and data, and
// waits until it is ready.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	return p.start(ctx, c.http)
}

func (c *Cluster) process(name string) (*process, error) {
	for _, p := range c.processes {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no program %q in the cluster", name)
}

// RESTConfig reaches the API server with a token: AdminToken or one given to Start.
func (c *Cluster) RESTConfig(token string) *rest.Config {
	return &rest.Config{
		Host:            "https://" + c.address("apiserver"),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             500,
		Burst:           1000,
	}
}

// Client is the administrator's.
func (c *Cluster) Client() kubernetes.Interface {
	return kubernetes.NewForConfigOrDie(c.RESTConfig(AdminToken))
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "admin.kubeconfig") }

// PrometheusURL is where Prometheus answers.
func (c *Cluster) PrometheusURL() string { return "http://" + c.address("prometheus") }

func (c *Cluster) address(port string) string { return fmt.Sprintf("127.0.0.1:%d", c.ports[port]) }

// freePorts finds free ports of loopback, all different.
func freePorts(names ...string) (map[string]int, error) {
	ports := map[string]int{}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only once all are chosen
		ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
