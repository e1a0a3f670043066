package promql

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v2"
)

// Config says which store to ask, and how. In YAML:
//
//	url: https://mimir.example/prometheus
//	http_config:
//	  basic_auth: {username: runcast, password_file: /etc/runcast/password}
//	  http_headers: {X-Scope-OrgID: {values: [batch]}}
//	cluster: eu-1
//	cluster_label: cluster
//	scrape_interval: 15s
//
// Only url is required; the zero value of any other field is its default.
type Config struct {
	// URL is the base of the query API, without /api/v1: "http://prometheus:9090",
	// for Mimir with the path /prometheus, for VictoriaMetrics' cluster version with
	// /select/<account>/prometheus.
	URL string `json:"url"`
	// HTTP is authentication, TLS, proxy and headers, as in prometheus.yml. For
	// Mimir and Cortex, http_headers sets the tenant, X-Scope-OrgID. Default: none.
	HTTP *HTTPConfig `json:"http_config,omitempty"`
	// QueryParams are added to every request. Thanos needs dedup=true,
	// partial_response=false and max_source_resolution=0s. Default: none.
	QueryParams map[string]string `json:"query_params,omitempty"`
	// QueryTimeout bounds one query, on the server and, a few seconds later, here.
	// Default 2m, as Prometheus' own --query.timeout.
	QueryTimeout model.Duration `json:"query_timeout,omitempty"`
	// MaxQueries is the number of queries under way at once. Default 4; Prometheus
	// itself runs 20 for all of its clients.
	MaxQueries int `json:"max_concurrent_queries,omitempty"`
	// MaxPods is the number of pods, or jobs, one query asks about. Default 50.
	MaxPods int `json:"max_pods_per_query,omitempty"`

	// Cluster is the name of the cluster in job IDs and records; it must be the one
	// under which the collector's informer files its jobs. Default: none.
	Cluster string `json:"cluster,omitempty"`
	// ClusterLabel is the label that tells this cluster's series from those of others
	// in the same store; its value must be Cluster. Default: none, the store is of
	// one cluster.
	ClusterLabel string `json:"cluster_label,omitempty"`
	// Matchers are added to every selector: `prometheus="k8s"`. Default: none.
	Matchers []string `json:"matchers,omitempty"`
	// ScrapeInterval is the longest one of kube-state-metrics, kubelet and
	// dcgm-exporter, from 1s to 5m. Default 30s.
	ScrapeInterval model.Duration `json:"scrape_interval,omitempty"`
	// Labels say under which names the exporters' own labels arrive.
	Labels Labels `json:"labels,omitempty"`
	// Templates replace built-in queries, by name; see templates.yaml for the names
	// and Variables for what a query can refer to.
	Templates map[string]Override `json:"templates,omitempty"`
}

// Labels say how the labels of an exporter are named that Prometheus has a meaning
// for as well (namespace, pod, container):
//
//	auto      found out from the series, once for each hour of data; the default
//	plain     namespace, pod, container: scraped with honor_labels: true
//	exported  exported_namespace, …: scraped with honor_labels: false
//	pod_name  pod_namespace, pod_name, …: dcgm-exporter before 2.0
//	none      there are no such series
type Labels struct {
	KubeStateMetrics string `json:"kube_state_metrics,omitempty"` // auto, plain or exported
	CAdvisor         string `json:"cadvisor,omitempty"`           // auto, plain or exported
	GPU              string `json:"gpu,omitempty"`                // auto, plain, exported, pod_name or none
}

// An Override replaces the query of a built-in template.
type Override struct {
	Query string `json:"query"`
	// Unit of the query's value, of the same kind as the built-in one: a template in
	// bytes can be given in mebibytes. Default: the built-in template's.
	Unit Unit `json:"unit,omitempty"`
}

// HTTPConfig is the http_config block of prometheus.yml. Unknown fields in it are
// errors whether it is decoded as JSON (sigs.k8s.io/yaml) or, strictly, as YAML.
type HTTPConfig struct{ config.HTTPClientConfig }

// UnmarshalJSON decodes the block as prometheus.yml's. The promoted method would
// ignore unknown fields: encoding/json does not pass its strictness on.
func (c *HTTPConfig) UnmarshalJSON(b []byte) error {
	err := yaml.UnmarshalStrict(b, &c.HTTPClientConfig) // JSON is YAML
	var several *yaml.TypeError
	if errors.As(err, &several) {
		// Not in the words of Go: "line 1: field x not found in type config.plain".
		return errors.New(goWords.ReplaceAllString(strings.Join(several.Errors, "; "), ""))
	}
	return err
}

var goWords = regexp.MustCompile(`line \d+: | (in|into) (type )?config\.\w+`)

// SetDirectory makes relative file names in http_config relative to dir, which is
// that of the configuration file.
func (c *Config) SetDirectory(dir string) {
	if c.HTTP != nil {
		c.HTTP.SetDirectory(dir)
	}
}

var (
	labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	matcher   = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*(=|!=|=~|!~)"([^"\\\n]|\\.)*"$`)
)

// Validate reports every field that is wrong, with what was expected; nil if none is.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, field, expected string, got any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: expected %s, got %q", field, expected, fmt.Sprint(got)))
		}
	}
	u, err := url.Parse(c.URL)
	check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "url", "http://host[:port][/path] or https://…", c.URL)
	check(!strings.Contains(c.URL, "/api/v1"), "url", "the base address, without /api/v1", c.URL)
	if c.HTTP != nil {
		if err := c.HTTP.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("http_config: %w", err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.QueryParams)) {
		check(!slices.Contains([]string{"", "query", "time", "timeout", "match[]", "start", "end"}, name),
			"query_params", "no parameter that queries set themselves", name)
	}
	check(c.QueryTimeout == 0 || between(c.QueryTimeout, time.Second, time.Hour), "query_timeout", "from 1s to 1h", c.QueryTimeout)
	check(c.MaxQueries >= 0 && c.MaxQueries <= 100, "max_concurrent_queries", "from 1 to 100", c.MaxQueries)
	check(c.MaxPods >= 0 && c.MaxPods <= 200, "max_pods_per_query", "from 1 to 200", c.MaxPods)
	check(c.ClusterLabel == "" || labelName.MatchString(c.ClusterLabel), "cluster_label", "a label name", c.ClusterLabel)
	check(c.ClusterLabel == "" || c.Cluster != "", "cluster", "the value of cluster_label", c.Cluster)
	for i, m := range c.Matchers {
		check(matcher.MatchString(m), fmt.Sprintf("matchers[%d]", i), `a label matcher such as env="prod"`, m)
	}
	check(c.ScrapeInterval == 0 || between(c.ScrapeInterval, time.Second, 5*time.Minute), "scrape_interval", "from 1s to 5m", c.ScrapeInterval)
	for _, l := range []struct {
		field, style string
		exporter     Exporter
	}{
		{"labels.kube_state_metrics", c.Labels.KubeStateMetrics, KubeStateMetrics},
		{"labels.cadvisor", c.Labels.CAdvisor, CAdvisor},
		{"labels.gpu", c.Labels.GPU, DCGM},
	} {
		known := slices.Concat([]string{styleAuto}, slices.Sorted(maps.Keys(styles[l.exporter])))
		if l.exporter == DCGM {
			known = append(known, styleNone)
		}
		check(l.style == "" || slices.Contains(known, l.style), l.field, "one of "+strings.Join(known, ", "), l.style)
	}
	_, err = loadTemplates(c.Templates)
	return errors.Join(append(errs, err)...)
}

func between(d model.Duration, low, high time.Duration) bool {
	return time.Duration(d) >= low && time.Duration(d) <= high
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.HTTP == nil {
		c.HTTP = &HTTPConfig{config.DefaultHTTPClientConfig}
	}
	c.QueryTimeout = cmp.Or(c.QueryTimeout, model.Duration(2*time.Minute))
	c.MaxQueries = cmp.Or(c.MaxQueries, 4)
	c.MaxPods = cmp.Or(c.MaxPods, 50)
	c.ScrapeInterval = cmp.Or(c.ScrapeInterval, model.Duration(30*time.Second))
	c.Labels.KubeStateMetrics = cmp.Or(c.Labels.KubeStateMetrics, styleAuto)
	c.Labels.CAdvisor = cmp.Or(c.Labels.CAdvisor, styleAuto)
	c.Labels.GPU = cmp.Or(c.Labels.GPU, styleAuto)
	return c
}
