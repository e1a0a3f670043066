package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/runcast/runcast/collector/promql"
	"github.com/runcast/runcast/predictor/rpc"
	"github.com/runcast/runcast/scheduler"
)

// A Config is runcast.yaml, the one file that every process reads; each takes its
// part. An unknown field, a wrong unit or a value out of range is an error that
// names the file and the field. Durations are Go's: 90s, 30m, 12h.
type Config struct {
	// Cluster names this cluster in records and in queries of a Prometheus that
	// holds several. Default: none.
	Cluster string `json:"cluster"`

	Kubernetes KubernetesConfig `json:"kubernetes"`

	// Prometheus measures what jobs used, and finds jobs from before the
	// installation. Without it records hold lifecycles only.
	Prometheus *promql.Config `json:"prometheus"`

	Collector CollectorConfig `json:"collector"`
	Store     StoreConfig     `json:"store"`
	Train     TrainConfig     `json:"train"`
	Predictor PredictorConfig `json:"predictor"`
	Scheduler SchedulerConfig `json:"scheduler"`

	// Server is where this process answers gRPC, Client how it reaches the
	// collector and the predictor; `up` needs no client.
	Server ServerConfig `json:"server"`
	Client ClientConfig `json:"client"`

	// MetricsAddress serves /metrics, /healthz (the loops turn) and /readyz (the
	// process can do its part). Default 127.0.0.1:9465; "none" serves none.
	MetricsAddress string `json:"metrics_address"`
}

// A KubernetesConfig says how to reach the API server.
type KubernetesConfig struct {
	// Disabled leaves Kubernetes out: a collector of Prometheus alone, no scheduler.
	Disabled bool `json:"disabled"`
	// Kubeconfig is a file. Default: the service account of the pod, else
	// $KUBECONFIG, else ~/.kube/config.
	Kubeconfig string `json:"kubeconfig"`
}

// A CollectorConfig bounds what the collector looks back for and how it waits.
type CollectorConfig struct {
	// Backfill is how far the first start looks back in Prometheus. Default 720h.
	Backfill Duration `json:"backfill"`
	// Window is the span of completion times one query asks for. Default 30m.
	Window Duration `json:"window"`
	// Lag is how long after a job's end its usage is expected to be complete: two
	// scrapes and the remote-write delay. Default 1m.
	Lag Duration `json:"lag"`
	// HistoryLag is how far behind now completion times are asked for. Default 10m.
	HistoryLag Duration `json:"history_lag"`
}

// A StoreConfig places and bounds the history.
type StoreConfig struct {
	// Path of the bbolt file. Default runcast.bolt in the working directory.
	Path string `json:"path"`
	// MaxAge and MaxRecords bound what is kept. Default 9600h (400 days) and
	// 2,000,000 records.
	MaxAge     Duration `json:"max_age"`
	MaxRecords int      `json:"max_records"`
}

// A TrainConfig says when `up` trains by itself; elsewhere a CronJob does.
type TrainConfig struct {
	// Every is the period of trainings in `up`, the first soon after the start. Default 6h.
	Every Duration `json:"every"`
}

// A PredictorConfig keeps a predictor warm.
type PredictorConfig struct {
	// CacheDir holds the last model, for a start while the collector is away.
	// Default: none.
	CacheDir string `json:"cache_dir"`
}

// A SchedulerConfig is the queue's policy and how its replicas elect a leader.
type SchedulerConfig struct {
	// Disabled leaves the queue out of `up`.
	Disabled bool `json:"disabled"`
	// SizeExponent is a in expected runtime × dominant share^a / (1 + wait/T),
	// AgeingTime is T. Reservations is how many jobs that do not fit get their room
	// reserved. Defaults as in the package scheduler.
	SizeExponent *float64  `json:"size_exponent"`
	AgeingTime   *Duration `json:"ageing_time"`
	Reservations *int      `json:"reservations"`
	// Replan is the longest time between two plans. Default 5s.
	Replan Duration `json:"replan"`
	// Election names the Lease that chooses the acting replica. Default: none,
	// there is one replica.
	Election ElectionConfig `json:"election"`
	// Webhook serves the mutating webhook that suspends queued Jobs. Default: none,
	// users suspend them.
	Webhook WebhookConfig `json:"webhook"`
}

// An ElectionConfig names a coordination.k8s.io Lease.
type ElectionConfig struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Identity is this replica's name in the Lease. Default: host and process.
	Identity string `json:"identity"`
	// LeaseDuration is how long a silent leader keeps the others waiting. Default 15s.
	LeaseDuration Duration `json:"lease_duration"`
}

// A WebhookConfig is where the webhook listens; admission webhooks need TLS.
type WebhookConfig struct {
	Listen   string `json:"listen"`
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
}

// A ServerConfig is where a process answers gRPC.
type ServerConfig struct {
	// Listen is host:port. Default 127.0.0.1:7465.
	Listen string `json:"listen"`
	// TLS is needed beyond loopback, unless Insecure says otherwise.
	TLS      *TLSConfig `json:"tls"`
	Insecure bool       `json:"insecure"`
}

// A ClientConfig is how a process reaches the others.
type ClientConfig struct {
	// Collector serves the history and the models, Predictor the estimates, as
	// host:port. Default 127.0.0.1:7465.
	Collector string `json:"collector"`
	Predictor string `json:"predictor"`
	// TLS is needed beyond loopback, unless Insecure says otherwise.
	TLS      *TLSConfig `json:"tls"`
	Insecure bool       `json:"insecure"`
}

// A TLSConfig names PEM files, read anew when they change.
type TLSConfig struct {
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	// CAFile holds the authorities of the other side: of clients, whose
	// certificates a server then asks for; of the server, for a client.
	CAFile string `json:"ca_file"`
	// ServerName is the name a client expects. Default: the host of the address.
	ServerName string `json:"server_name"`
}

const defaultServer = "127.0.0.1:7465"

// loadConfig reads a file; an empty path gives the defaults.
func loadConfig(path string) (Config, error) {
	var c Config
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return c, err
		}
		if err := decodeStrict(text, &c); err != nil {
			return c, fmt.Errorf("%s: %w", path, err)
		}
		if c.Prometheus != nil {
			c.Prometheus.SetDirectory(filepath.Dir(path))
		}
	}
	c.setDefaults()
	if err := c.validate(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c *Config) setDefaults() {
	duration := func(d *Duration, v time.Duration) {
		if *d == 0 {
			*d = Duration(v)
		}
	}
	text := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	duration(&c.Collector.Backfill, 30*24*time.Hour)
	duration(&c.Collector.Window, 30*time.Minute)
	duration(&c.Collector.Lag, time.Minute)
	duration(&c.Collector.HistoryLag, max(10*time.Minute, time.Duration(c.Collector.Lag)))
	duration(&c.Store.MaxAge, 400*24*time.Hour)
	if c.Store.MaxRecords == 0 {
		c.Store.MaxRecords = 2_000_000
	}
	text(&c.Store.Path, "runcast.bolt")
	duration(&c.Train.Every, 6*time.Hour)
	duration(&c.Scheduler.Replan, 5*time.Second)
	duration(&c.Scheduler.Election.LeaseDuration, 15*time.Second)
	text(&c.Server.Listen, defaultServer)
	text(&c.Client.Collector, defaultServer)
	text(&c.Client.Predictor, c.Client.Collector)
	text(&c.MetricsAddress, "127.0.0.1:9465")
	if c.Prometheus != nil {
		text(&c.Prometheus.Cluster, c.Cluster)
	}
}

func (c *Config) validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	for _, d := range []struct {
		field string
		value Duration
	}{
		{"collector.backfill", c.Collector.Backfill}, {"collector.window", c.Collector.Window}, {"collector.lag", c.Collector.Lag},
		{"store.max_age", c.Store.MaxAge}, {"train.every", c.Train.Every}, {"scheduler.replan", c.Scheduler.Replan},
		{"collector.history_lag", c.Collector.HistoryLag}, {"scheduler.election.lease_duration", c.Scheduler.Election.LeaseDuration},
	} {
		check(d.value > 0, d.field+": expected a duration of more than 0")
	}
	check(c.Store.MaxRecords > 0, "store.max_records: expected a number of at least 1")
	w := c.Scheduler.Webhook
	check(w.Listen == "" || w.CertFile != "" && w.KeyFile != "", "scheduler.webhook: expected cert_file and key_file beside listen")
	e := c.Scheduler.Election
	check((e.Name == "") == (e.Namespace == ""), "scheduler.election: expected both namespace and name, or neither")
	if c.Prometheus != nil {
		check(c.Prometheus.Cluster == c.Cluster, "prometheus.cluster: expected the value of cluster")
		if err := c.Prometheus.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("prometheus: %w", err))
		}
	}
	policy := c.policy()
	if err := policy.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("scheduler: %w", err))
	}
	return errors.Join(errs...)
}

func (c *Config) policy() scheduler.Policy {
	p := scheduler.DefaultPolicy()
	if s := c.Scheduler.SizeExponent; s != nil {
		p.SizeExponent = *s
	}
	if t := c.Scheduler.AgeingTime; t != nil {
		p.AgeingTime = time.Duration(*t)
	}
	if n := c.Scheduler.Reservations; n != nil {
		p.Reservations = *n
	}
	return p
}

func (c *Config) server() rpc.ServerConfig {
	s := rpc.ServerConfig{Listen: c.Server.Listen, Insecure: c.Server.Insecure}
	if t := c.Server.TLS; t != nil {
		s.TLS = &rpc.ServerTLS{CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCAFile: t.CAFile}
	}
	return s
}

func (c *Config) client(target string) rpc.ClientConfig {
	r := rpc.ClientConfig{Target: target, Insecure: c.Client.Insecure}
	if t := c.Client.TLS; t != nil {
		r.TLS = &rpc.ClientTLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName}
	}
	return r
}
