package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/runcast/runcast/collector/promql"
	"github.com/runcast/runcast/predictor/rpc"
)

// A process is what a subcommand like collector, or all of them under up, runs:
// loops, a gRPC server for what they offer, and /metrics, /healthz and /readyz.
type process struct {
	cfg     Config
	log     *slog.Logger
	metrics *prometheus.Registry
	server  *rpc.Server
	source  *promql.Source // see prometheus
	now     func() time.Time

	loops  []func(context.Context) error
	alive  map[string]func() error // by name of the loop: does it turn
	ready  map[string]func() error // by name: can it do its part
	closes []func() error          // in reverse order, when all loops have ended
}

// newProcess reads the configuration.
func newProcess(g *globals, path string) (*process, error) {
	klog.SetSlogLogger(g.log) // client-go logs through klog
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	p := &process{cfg: cfg, log: g.log, metrics: prometheus.NewRegistry(), now: time.Now, alive: map[string]func() error{}, ready: map[string]func() error{}}
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	server := cfg.server()
	if cfg.Server.Authorization == "kubernetes" {
		client, err := kubeClient(cfg.Kubernetes.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("server.authorization: %w", err)
		}
		server.Access = newKubeAccess(client).allow
	}
	if p.server, err = rpc.NewServer(server, g.log, p.metrics); err != nil {
		return nil, err
	}
	return p, nil
}

// loop adds a part that runs until its context ends; alive and ready may be nil.
func (p *process) loop(name string, run func(context.Context) error, alive, ready func() error) {
	p.loops = append(p.loops, func(ctx context.Context) error {
		if err := run(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if alive != nil {
		p.alive[name] = alive
	}
	if ready != nil {
		p.ready[name] = ready
	}
}

// run runs everything until ctx ends or a part fails, which ends the others.
func (p *process) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, p.close()) }()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.server.Run(ctx) })
	if p.cfg.MetricsAddress != "none" {
		g.Go(func() error {
			return prefixed("metrics_address: ", serveHTTP(ctx, &http.Server{Addr: p.cfg.MetricsAddress, Handler: p.handler()}))
		})
	}
	for _, loop := range p.loops {
		g.Go(func() error { return loop(ctx) })
	}
	p.log.InfoContext(ctx, "serving", "grpc", p.cfg.Server.Listen, "metrics", p.cfg.MetricsAddress)
	return g.Wait()
}

// close closes what the parts have opened; run does it, and who gives up before run must.
func (p *process) close() error {
	var errs []error
	for i := len(p.closes) - 1; i >= 0; i-- {
		errs = append(errs, p.closes[i]())
	}
	p.closes = nil
	return errors.Join(errs...)
}

func (p *process) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{Registry: p.metrics}))
	mux.Handle("GET /healthz", probe(p.alive))
	mux.Handle("GET /readyz", probe(p.ready))
	return mux
}

// probe answers 200, or 503 with everything that is wrong.
func probe(checks map[string]func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var errs []error
		for name, check := range checks {
			if err := check(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}

// serveHTTP serves until ctx ends, over TLS if the server has a configuration of it.
func serveHTTP(ctx context.Context, s *http.Server) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	return serveOn(ctx, l, s)
}

// serveOn does it on a listener, and closes that. It returns when the requests under way
// are answered.
func serveOn(ctx context.Context, l net.Listener, s *http.Server) error {
	s.ReadHeaderTimeout = 10 * time.Second
	answered := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(answered)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			s.Close()
		}
	})
	defer func() {
		if !stop() {
			<-answered
		}
	}()
	var err error
	if s.TLSConfig != nil {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// outliving returns a context that ends d after ctx does, or when it is cancelled.
func outliving(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, cancel
}

// newProcessCommand makes the subcommand of a process; parts adds what it runs.
func newProcessCommand(g *globals, use, short, long string, parts func(*process) error) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:     use + " [--config FILE]",
		Short:   short,
		Long:    long,
		GroupID: "processes",
		Args:    cobra.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			p, err := newProcess(g, config)
			if err != nil {
				return err
			}
			if err := parts(p); err != nil {
				return errors.Join(err, p.close())
			}
			return p.run(ctx)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file` (YAML); default: everything on loopback")
	return cmd
}
