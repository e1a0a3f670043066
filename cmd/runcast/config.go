package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"

	"github.com/runcast/runcast/collector/promql"
	"github.com/runcast/runcast/predictor/election"
	"github.com/runcast/runcast/predictor/rpc"
	"github.com/runcast/runcast/scheduler"
)

// A Config is runcast.yaml, the one file that every process reads; each takes its
// part. An unknown field, a wrong unit or a value out of range is an error that
// names the file and the field. Durations are Prometheus': 90s, 30m, 12h, 7d.
// Defaults are in defaultConfig; docs/configuration.md is this for users, and a
// test holds it to it.
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

	Recommender RecommenderConfig `json:"recommender"`

	// Server is where this process answers gRPC, Client how it reaches the
	// collector and the predictor; `up` needs no client.
	Server ServerConfig `json:"server"`
	Client ClientConfig `json:"client"`

	// MetricsAddress serves /metrics, /healthz (the loops turn) and /readyz (the
	// process can do its part); "none" serves none.
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
	// Backfill is how far the first start looks back in Prometheus.
	Backfill model.Duration `json:"backfill"`
	// Window is the span of completion times one query asks for.
	Window model.Duration `json:"window"`
	// Lag is how long after a job's end its usage is expected to be complete: two
	// scrapes and the remote-write delay.
	Lag model.Duration `json:"lag"`
	// HistoryLag is how far behind now completion times are asked for.
	// Default 10m, or Lag if that is more.
	HistoryLag model.Duration `json:"history_lag"`
}

// A StoreConfig places and bounds the history.
type StoreConfig struct {
	// Path of the bbolt file, as seen from the working directory.
	Path string `json:"path"`
	// MaxAge and MaxRecords bound what is kept.
	MaxAge     model.Duration `json:"max_age"`
	MaxRecords int            `json:"max_records"`
}

// A TrainConfig says when `up` trains by itself; elsewhere a CronJob does.
type TrainConfig struct {
	// Every is the period of trainings in `up`, the first soon after the start.
	Every model.Duration `json:"every"`
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
	// reserved, Search how many other orders of the waiting jobs each plan tries. Defaults:
	// scheduler.DefaultPolicy.
	SizeExponent float64        `json:"size_exponent"`
	AgeingTime   model.Duration `json:"ageing_time"`
	Reservations int            `json:"reservations"`
	Search       int            `json:"search"`
	// Queues have the cluster's resources in proportion to their weights, those that are
	// not named a weight of 1. Default: none, the jobs of all queues stand in one order.
	Queues map[string]QueueConfig `json:"queues"`
	// Replan is the longest time between two plans.
	Replan model.Duration `json:"replan"`
	// Election names the Lease that chooses the acting replica. Default: none,
	// there is one replica.
	Election ElectionConfig `json:"election"`
	// Webhook serves the mutating webhook that suspends queued Jobs. Default: none,
	// users suspend them.
	Webhook WebhookConfig `json:"webhook"`
}

// A QueueConfig is one queue's part in the cluster.
type QueueConfig struct {
	// Weight is positive: of twice the weight is twice the share, while both have jobs that wait.
	Weight float64 `json:"weight"`
}

// weights are those of the queues; nil if there are none.
func (c *SchedulerConfig) weights() map[string]float64 {
	if len(c.Queues) == 0 {
		return nil
	}
	weights := make(map[string]float64, len(c.Queues))
	for queue, q := range c.Queues {
		weights[queue] = q.Weight
	}
	return weights
}

// A RecommenderConfig says what the VPA recommender may recommend and how its
// replicas elect a leader.
type RecommenderConfig struct {
	// Disabled leaves it out of `up`.
	Disabled bool `json:"disabled"`
	// Interval is the longest time between two looks at all VerticalPodAutoscalers.
	Interval model.Duration `json:"interval"`
	// MaxAllowed bounds what a container is recommended where its policy has no
	// maxAllowed: cpu and memory. Default: the largest node.
	MaxAllowed corev1.ResourceList `json:"max_allowed"`
	// Election names the Lease that chooses the acting replica. Default: none,
	// there is one replica.
	Election ElectionConfig `json:"election"`
}

// An ElectionConfig names a coordination.k8s.io Lease.
type ElectionConfig struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Identity is this replica's name in the Lease. Default: host and process.
	Identity string `json:"identity"`
	// LeaseDuration is how long a silent leader keeps the others waiting.
	LeaseDuration model.Duration `json:"lease_duration"`
}

func (c *ElectionConfig) config() election.Config {
	return election.Config{
		Namespace: c.Namespace, Name: c.Name, Identity: cmp.Or(c.Identity, identity()), LeaseDuration: time.Duration(c.LeaseDuration),
	}
}

// A WebhookConfig is where the webhook listens; admission webhooks need TLS.
type WebhookConfig struct {
	Listen   string `json:"listen"`
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
}

// A ServerConfig is where a process answers gRPC.
type ServerConfig struct {
	// Listen is host:port.
	Listen string `json:"listen"`
	// TLS is needed beyond loopback, unless Insecure says otherwise.
	TLS      *ServerTLSConfig `json:"tls"`
	Insecure bool             `json:"insecure"`
	// Authorization is who may call what: kubernetes asks the API server who bears a
	// token or a certificate, and what RBAC allows him; none lets in whom TLS does.
	Authorization string `json:"authorization"`
}

// A ClientConfig is how a process reaches the others.
type ClientConfig struct {
	// Collector serves the history and the models, Predictor the estimates, as
	// host:port. Predictor is by default where Collector is.
	Collector string `json:"collector"`
	Predictor string `json:"predictor"`
	// TLS is needed beyond loopback, unless Insecure says otherwise.
	TLS      *ClientTLSConfig `json:"tls"`
	Insecure bool             `json:"insecure"`
	// TokenFile holds a service account's token for the audience runcast, sent with
	// every call. Default: none.
	TokenFile string `json:"token_file"`
}

// A ServerTLSConfig names PEM files, read anew when they change.
type ServerTLSConfig struct {
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	// CAFile holds the authorities of clients, whose certificates are then asked for.
	CAFile string `json:"ca_file"`
}

// A ClientTLSConfig names PEM files, read anew when they change.
type ClientTLSConfig struct {
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	// CAFile holds the authorities to trust. Default: the system's.
	CAFile string `json:"ca_file"`
	// ServerName is the name to expect. Default: the host of the address.
	ServerName string `json:"server_name"`
}

const defaultServer = "127.0.0.1:7465"

// defaultConfig is what a file is decoded over.
func defaultConfig() Config {
	const day = 24 * time.Hour
	policy := scheduler.DefaultPolicy()
	return Config{
		Collector: CollectorConfig{
			Backfill: model.Duration(30 * day), Window: model.Duration(30 * time.Minute),
			Lag: model.Duration(time.Minute),
		},
		Store: StoreConfig{Path: "runcast.bolt", MaxAge: model.Duration(400 * day), MaxRecords: 2_000_000},
		Train: TrainConfig{Every: model.Duration(6 * time.Hour)},
		Scheduler: SchedulerConfig{
			SizeExponent: policy.SizeExponent, AgeingTime: model.Duration(policy.AgeingTime), Reservations: policy.Reservations, Search: policy.Search,
			Replan:   model.Duration(5 * time.Second),
			Election: ElectionConfig{LeaseDuration: model.Duration(15 * time.Second)},
		},
		Recommender: RecommenderConfig{
			Interval: model.Duration(time.Minute),
			Election: ElectionConfig{LeaseDuration: model.Duration(15 * time.Second)},
		},
		Server:         ServerConfig{Listen: defaultServer, Authorization: "none"},
		Client:         ClientConfig{Collector: defaultServer},
		MetricsAddress: "127.0.0.1:9465",
	}
}

// loadConfig reads a file; an empty path gives the defaults.
func loadConfig(path string) (Config, error) {
	c := defaultConfig()
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return c, err
		}
		if err := decodeStrict(text, &c); err != nil {
			return c, prefixed(path+": ", err)
		}
	}
	c.Client.Predictor = cmp.Or(c.Client.Predictor, c.Client.Collector)
	if p := c.Prometheus; p != nil {
		p.SetDirectory(filepath.Dir(path))
		p.Cluster = cmp.Or(p.Cluster, c.Cluster)
	}
	return c, prefixed(path+": ", c.validate())
}

// prefixed puts a prefix before each line of err, which is one error each.
func prefixed(prefix string, err error) error {
	if err == nil {
		return nil
	}
	return errors.New(prefix + strings.ReplaceAll(err.Error(), "\n", "\n"+prefix))
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
		value model.Duration
	}{
		{"collector.backfill", c.Collector.Backfill}, {"collector.window", c.Collector.Window}, {"collector.lag", c.Collector.Lag},
		{"store.max_age", c.Store.MaxAge}, {"train.every", c.Train.Every}, {"scheduler.replan", c.Scheduler.Replan},
		{"scheduler.election.lease_duration", c.Scheduler.Election.LeaseDuration},
		{"recommender.interval", c.Recommender.Interval}, {"recommender.election.lease_duration", c.Recommender.Election.LeaseDuration},
	} {
		check(d.value >= model.Duration(time.Second), d.field+": expected a duration of at least 1s")
	}
	check(c.Collector.HistoryLag == 0 || c.Collector.HistoryLag >= c.Collector.Lag, "collector.history_lag: expected at least collector.lag")
	check(c.Store.MaxRecords > 0, "store.max_records: expected a number of at least 1")
	address := func(field, value string) {
		_, _, err := net.SplitHostPort(value)
		check(err == nil, fmt.Sprintf("%s: expected host:port, got %q", field, value))
	}
	address("server.listen", c.Server.Listen)
	check(c.Server.Authorization == "none" || c.Server.Authorization == "kubernetes", fmt.Sprintf("server.authorization: expected none or kubernetes, got %q", c.Server.Authorization))
	check(c.Server.Authorization != "kubernetes" || !c.Kubernetes.Disabled, "server.authorization: kubernetes, but kubernetes.disabled: expected one of them")
	if c.MetricsAddress != "none" {
		address("metrics_address", c.MetricsAddress)
	}
	if w := c.Scheduler.Webhook; w != (WebhookConfig{}) {
		address("scheduler.webhook.listen", w.Listen)
		check(w.CertFile != "" && w.KeyFile != "", "scheduler.webhook: expected cert_file and key_file beside listen")
	}
	for _, queue := range slices.Sorted(maps.Keys(c.Scheduler.Queues)) {
		w := c.Scheduler.Queues[queue].Weight
		check(w > 0 && !math.IsInf(w, 0), fmt.Sprintf("scheduler.queues.%s.weight: expected a positive number, got %v", queue, w))
	}
	election := func(process string, e ElectionConfig) {
		check((e.Name == "") == (e.Namespace == ""), process+".election: expected both namespace and name, or neither")
	}
	election("scheduler", c.Scheduler.Election)
	election("recommender", c.Recommender.Election)
	for _, name := range slices.Sorted(maps.Keys(c.Recommender.MaxAllowed)) {
		q := c.Recommender.MaxAllowed[name]
		check((name == corev1.ResourceCPU || name == corev1.ResourceMemory) && q.Sign() > 0,
			fmt.Sprintf("recommender.max_allowed.%s: expected cpu or memory, and more than 0", name))
	}
	if c.Prometheus != nil {
		check(c.Prometheus.Cluster == c.Cluster, "prometheus.cluster: expected the value of cluster")
		errs = append(errs, prefixed("prometheus.", c.Prometheus.Validate()))
	}
	errs = append(errs, prefixed("scheduler: ", c.policy().Validate()))
	return errors.Join(errs...)
}

func (c *Config) policy() scheduler.Policy {
	p := scheduler.DefaultPolicy()
	p.SizeExponent = c.Scheduler.SizeExponent
	p.AgeingTime = time.Duration(c.Scheduler.AgeingTime)
	p.Reservations = c.Scheduler.Reservations
	p.Search = c.Scheduler.Search
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
	r := rpc.ClientConfig{Target: target, Insecure: c.Client.Insecure, TokenFile: c.Client.TokenFile}
	if t := c.Client.TLS; t != nil {
		r.TLS = &rpc.ClientTLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName}
	}
	return r
}
