package promql

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"

	"github.com/runcast/runcast/collector"
)

// A Source asks one cluster's metrics. It is safe for concurrent use.
type Source struct {
	cfg       Config
	client    apiClient
	api       v1.API
	templates map[string]query
	where     string // the address, for errors
	common    string // matchers of every selector, each with a comma
	log       *slog.Logger
	metrics   *metrics
	slots     chan struct{} // one for each request under way

	mu    sync.Mutex // guards found
	found map[styleKey][]labelStyle
}

var (
	_ collector.UsageSource   = (*Source)(nil)
	_ collector.HistorySource = (*Source)(nil)
)

// New returns a Source for cfg. It sends nothing: whether the store can be reached,
// and has what is needed, Probe tells. reg may be nil; for several Sources in one
// process wrap it with a label for each.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	client, err := config.NewClientFromConfig(cfg.HTTP.HTTPClientConfig, "runcast")
	if err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	return newSource(cfg, client, log, reg)
}

// newSource is New with a client of the caller's; cfg is valid and has its defaults.
func newSource(cfg Config, client *http.Client, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	templates, err := loadTemplates(cfg.Templates)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	base, err := api.NewClient(api.Config{Address: cfg.URL, Client: client})
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	address, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	params := url.Values{}
	for k, v := range cfg.QueryParams {
		params.Set(k, v)
	}
	c := apiClient{base, params}
	return &Source{
		cfg:       cfg,
		client:    c,
		api:       v1.NewAPI(c),
		templates: templates,
		where:     address.Redacted(),
		common:    commonMatchers(cfg),
		log:       log,
		metrics:   m,
		slots:     make(chan struct{}, cfg.MaxQueries),
		found:     map[styleKey][]labelStyle{},
	}, nil
}

func (s *Source) scrape() time.Duration { return time.Duration(s.cfg.ScrapeInterval) }

// An apiClient adds the configured parameters to requests and makes statusErrors of
// refusals, since v1.Error keeps neither the status nor, mostly, what was said.
type apiClient struct {
	api.Client
	params url.Values
}

// Do implements api.Client.
func (c apiClient) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	if len(c.params) > 0 {
		q := req.URL.Query()
		for k, v := range c.params {
			q[k] = v
		}
		req.URL.RawQuery = q.Encode()
	}
	resp, body, err := c.Client.Do(ctx, req)
	if err != nil || resp.StatusCode/100 == 2 {
		return resp, body, err
	}
	return resp, body, newStatusError(resp.StatusCode, body)
}
