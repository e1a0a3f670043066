package promql

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"
)

const fullConfig = `
url: http://mimir.example/prometheus
http_config:
  basic_auth: {username: runcast, password: s3cret}
  tls_config: {insecure_skip_verify: true}
  http_headers: {X-Scope-OrgID: {values: [batch]}}
query_params: {dedup: "true"}
query_timeout: 90s
max_concurrent_queries: 2
max_pods_per_query: 20
cluster: eu
cluster_label: cluster
matchers: ['env="prod"', 'job!~"a|b\"c"']
scrape_interval: 1m
labels: {kube_state_metrics: exported, cadvisor: plain, gpu: none}
templates:
  working_set_peak: {query: "max by ({{.Namespace}}, {{.Pod}}, {{.Container}}) (m{ {{.Select}}}[{{.Window}}])", unit: mebibytes}
`

func TestConfig(t *testing.T) {
	var c Config
	if err := yaml.UnmarshalStrict([]byte(fullConfig), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.HTTP.BasicAuth.Password != "s3cret" || !c.HTTP.FollowRedirects || c.HTTP.HTTPHeaders.Headers["X-Scope-OrgID"].Values[0] != "batch" ||
		time.Duration(c.QueryTimeout) != 90*time.Second || c.Templates["working_set_peak"].Unit != "mebibytes" {
		t.Errorf("%+v", c)
	}
}

// TestConfigErrors checks that what is wrong is named, with what was expected.
func TestConfigErrors(t *testing.T) {
	for yml, want := range map[string]string{
		`urll: x`:                                           `unknown field "urll"`,
		`{url: http://p, url: http://q}`:                    `key "url" already set`,
		`http_config: {basic_auht: {}}`:                     `field basic_auht not found`,
		`http_config: {tls_config: {ca: {}}}`:               `cannot unmarshal`,
		`http_config: {basic_auth: {username: a, user: b}}`: `field user not found`,
		`http_config: {basic_auth: {username: a}, authorization: {type: Bearer}}`: `at most one of basic_auth, oauth2 & authorization`,
		`http_config: {http_headers: {Authorization: {values: [a]}}}`:             `setting header "Authorization" is not allowed`,
		`query_timeout: 90`:                                       `Config.query_timeout`,
		`{}`:                                                      `url: expected http://host[:port][/path] or https://…, got ""`,
		`url: ftp://p`:                                            `url: expected http://host`,
		`url: prometheus:9090`:                                    `url: expected http://host`,
		`url: http://p/api/v1`:                                    `url: expected the base address, without /api/v1`,
		`query_timeout: 1ms`:                                      `query_timeout: expected from 1s to 1h, got "1ms"`,
		`max_concurrent_queries: -1`:                              `max_concurrent_queries: expected from 1 to 100, got "-1"`,
		`max_pods_per_query: 1000`:                                `max_pods_per_query: expected from 1 to 200`,
		`query_params: {query: up}`:                               `query_params: expected no parameter that queries set themselves, got "query"`,
		`cluster_label: cluster`:                                  `cluster: expected the value of cluster_label`,
		`{cluster: a, cluster_label: 9}`:                          `cluster_label: expected a label name, got "9"`,
		`matchers: [a=b]`:                                         `matchers[0]: expected a label matcher such as env="prod", got "a=b"`,
		`matchers: ['a="b",c="d"']`:                               `matchers[0]: expected a label matcher`,
		`scrape_interval: 1h`:                                     `scrape_interval: expected from 1s to 5m, got "1h"`,
		`labels: {cadvisor: none}`:                                `labels.cadvisor: expected one of auto, exported, plain, got "none"`,
		`labels: {gpu: old}`:                                      `labels.gpu: expected one of auto, exported, plain, pod_name, none, got "old"`,
		`templates: {up: {query: up}}`:                            `templates: no template is called "up", expected one of busy_cores, cache_peak`,
		`templates: {peak_cores: {query: "{{.Pods}}"}}`:           `can't evaluate field Pods`,
		`templates: {peak_cores: {query: "{{"}}`:                  `templates.peak_cores: query: template:`,
		`templates: {peak_cores: {}}`:                             `templates.peak_cores: query: expected a query, got nothing`,
		`templates: {peak_cores: {query: up, unit: bytes}}`:       `templates.peak_cores.unit: expected one of [cores millicores], got "bytes"`,
		`templates: {peak_cores: {query: up, quantity: bytes}}`:   `unknown field "quantity"`,
		`templates: {kernel_peak: {query: "a", unit: kilobytes}}`: `expected one of [bytes gibibytes kibibytes mebibytes]`,
	} {
		var c Config
		err := yaml.UnmarshalStrict([]byte(yml), &c)
		if err == nil {
			err = c.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n\tgot  %v\n\twant %s", yml, err, want)
		}
	}
}

// TestRequests checks that configured credentials, tenant, parameters and files reach
// the store over a real connection.
func TestRequests(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed) // some proxies allow GET only
			return
		}
		got = r
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "no org id")
	}))
	defer server.Close()
	var c Config
	if err := yaml.UnmarshalStrict([]byte(`
http_config:
  authorization: {credentials_file: token}
  http_headers: {X-Scope-OrgID: {values: [batch]}}
query_params: {dedup: "true"}
`), &c); err != nil {
		t.Fatal(err)
	}
	c.URL = server.URL + "/prometheus/"
	c.SetDirectory(dir)
	s, err := New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	f := s.Probe(t.Context())
	if len(f) != 1 || f[0].Level != Failed || !strings.Contains(f[0].Fix, "X-Scope-OrgID") || !strings.Contains(f[0].Found, "no org id") {
		t.Errorf("%+v", f)
	}
	if got == nil || got.URL.Path != "/prometheus/api/v1/query" || got.Header.Get("Authorization") != "Bearer t0ken" ||
		got.Header.Get("X-Scope-OrgID") != "batch" || got.URL.Query().Get("dedup") != "true" || got.URL.Query().Get("query") != "vector(1)" {
		t.Errorf("%+v", got)
	}
}

// TestNewTwice: two Sources in one process need a registry, or a label, each.
func TestNewTwice(t *testing.T) {
	c, reg := Config{URL: "http://p"}, prometheus.NewRegistry()
	a := prometheus.WrapRegistererWith(prometheus.Labels{"cluster": "a"}, reg)
	b := prometheus.WrapRegistererWith(prometheus.Labels{"cluster": "b"}, reg)
	for _, r := range []prometheus.Registerer{a, b, nil} {
		if _, err := New(c, slog.New(slog.DiscardHandler), r); err != nil {
			t.Error(err)
		}
	}
	if _, err := New(c, slog.New(slog.DiscardHandler), a); err == nil {
		t.Error("registered twice")
	}
}
