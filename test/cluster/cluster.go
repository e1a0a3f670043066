package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A Cluster is a running control plane. Stop it.
type Cluster struct {
	// Dir holds each program's log, data and configuration.
	Dir string

	ports    map[string]int
	waves    [][]*process // one starts when the one before it is ready
	exporter *exporter
	http     *http.Client
	stop     context.CancelFunc
}

// AdminToken authenticates a member of system:masters.
const AdminToken = "admin-of-a-test-cluster"

// Start starts a control plane under dir, which must exist, on free ports of loopback, and waits until all of
// it is ready: some ten seconds, when its programs have been built (see Tools). It ends with ctx, with Stop or
// with this process, whichever comes first. tokens are further users: token -> user name, authenticated and
// without rights of their own; a service account's name (system:serviceaccount:NAMESPACE:NAME) also brings the
// groups of one.
//
// A program that ends before it is ready makes Start fail with the last lines of that program's log; one that
// ends later by itself is reported to log.
func Start(ctx context.Context, log *slog.Logger, dir string, tokens map[string]string) (*Cluster, error) {
	programs, err := Tools(ctx, log)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, log, dir, programs, tokens)
		if err == nil || !errors.Is(err, errPortTaken) || attempt == 3 {
			return c, err
		}
		log.Warn("port taken between choice and use, starting again", "error", err)
	}
}

func start(ctx context.Context, log *slog.Logger, dir string, programs Binaries, tokens map[string]string) (*Cluster, error) {
	ctx, stop := context.WithCancel(ctx)
	c := &Cluster{Dir: dir, stop: stop, http: httpClient()}
	if err := c.start(ctx, log, programs, tokens); err != nil {
		c.Stop()
		return nil, err
	}
	context.AfterFunc(ctx, c.end)
	return c, nil
}

// httpClient asks programs whether they are ready.
func httpClient() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // self-signed, on loopback
		DisableKeepAlives: true,
	}}
}

func (c *Cluster) start(ctx context.Context, log *slog.Logger, programs Binaries, tokens map[string]string) error {
	var err error
	if c.ports, err = FreePorts(portNames...); err != nil {
		return err
	}
	if c.exporter, err = newExporter(log); err != nil {
		return err
	}
	c.ports["exporter"] = c.exporter.port()
	if err := os.RemoveAll(c.file("data")); err != nil {
		return err // of an attempt before this one
	}
	if err := c.writeFiles(tokens); err != nil {
		return err
	}
	c.waves = c.table(programs)
	for _, p := range c.processes() {
		p.dir, p.log = c.Dir, log
	}
	for _, wave := range c.waves {
		together, ctx := errgroup.WithContext(ctx)
		for _, p := range wave {
			together.Go(func() error { return p.start(ctx, c.http) })
		}
		if err := together.Wait(); err != nil {
			return err
		}
	}
	return c.exporter.follow(ctx, c.Client())
}

// Stop ends every program and waits until it is gone. It may be called twice.
func (c *Cluster) Stop() {
	c.stop()
	c.end()
}

func (c *Cluster) end() {
	for _, p := range c.processes() {
		p.end()
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

// Interrupt ends one program with SIGINT and waits until it is gone. The error says
// what it exited with, if not 0.
func (c *Cluster) Interrupt(ctx context.Context, name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	return p.interrupt(ctx)
}

// Restart starts a program that Kill or Interrupt has ended, on the same port and data, and waits until it is ready.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	return p.start(ctx, c.http)
}

func (c *Cluster) processes() []*process {
	var all []*process
	for _, wave := range c.waves {
		all = append(all, wave...)
	}
	return all
}

func (c *Cluster) process(name string) (*process, error) {
	for _, p := range c.processes() {
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
func (c *Cluster) Kubeconfig() string { return c.KubeconfigOf("admin") }

// KubeconfigOf is the path of the kubeconfig of a user whose token was given to Start.
func (c *Cluster) KubeconfigOf(user string) string { return c.file(user + ".kubeconfig") }

// PrometheusURL is where Prometheus answers.
func (c *Cluster) PrometheusURL() string { return "http://" + c.address("prometheus") }

func (c *Cluster) address(port string) string { return fmt.Sprintf("127.0.0.1:%d", c.ports[port]) }

func (c *Cluster) file(name string) string { return filepath.Join(c.Dir, name) }
