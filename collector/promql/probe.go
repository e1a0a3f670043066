package promql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// A Level says how bad a Finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // something is missing or less exact
	Failed  Level = "failed"  // no usage, or no history
)

// A Finding is the result of one check of Probe.
type Finding struct {
	Check string `json:"check"` // "kube-state-metrics: kube_pod_owner"
	Level Level  `json:"level"`
	Found string `json:"found"`         // what there is
	Fix   string `json:"fix,omitempty"` // a sentence: what to do; empty if OK
}

// Probe looks for all that the queries need, in the last day, and says what is
// missing, what that costs, and how to mend it. A check that could not be made is a
// finding too. If the store cannot be asked, or has nothing of this cluster, the
// other checks are left out.
func (s *Source) Probe(ctx context.Context) []Finding { return s.probe(ctx, time.Now()) }

func (s *Source) probe(ctx context.Context, now time.Time) []Finding {
	p := prober{Source: s, now: now}
	if !p.reach(ctx) || !p.names(ctx) || !p.cluster(ctx) {
		return p.findings
	}
	p.metrics()
	p.styles(ctx)
	p.quality(ctx)
	p.allowLists(ctx)
	p.interval(ctx)
	p.backend(ctx)
	p.queries(ctx)
	return p.findings
}

type prober struct {
	*Source
	now      time.Time
	known    map[string]bool // names of metrics
	findings []Finding
}

func (p *prober) add(level Level, check, found, fix string) {
	p.findings = append(p.findings, Finding{check, level, found, fix})
}

// broken reports a check that could not be made.
func (p *prober) broken(check string, err error) {
	p.add(Failed, check, err.Error(), "See whether the store is healthy and run the check again.")
}

// number evaluates an expression to one number; NaN if there is none.
func (p *prober) number(ctx context.Context, expr string) (float64, error) {
	v, err := p.query(ctx, "probe", expr, p.now)
	if err != nil {
		return 0, err
	}
	if v, ok := v.(model.Vector); ok && len(v) > 0 {
		return float64(v[0].Value), nil
	}
	return math.NaN(), nil
}

func (p *prober) reach(ctx context.Context) bool {
	_, err := p.number(ctx, "vector(1)")
	switch {
	case err == nil:
		p.add(OK, "query API", p.where+" answers queries", "")
		return true
	case errors.Is(err, ErrRefused):
		p.add(Failed, "query API", err.Error(), "Set credentials in http_config, and for Mimir or Cortex the tenant in http_config.http_headers.X-Scope-OrgID.")
	case classify(err) == classFault || classify(err) == classTimeout:
		p.add(Failed, "query API", err.Error(), "Check that url can be reached from here: address, port, network policy, TLS.")
	default:
		p.add(Failed, "query API", err.Error(), "Check that url is the base of a Prometheus query API; Mimir's ends in /prometheus, VictoriaMetrics' in /select/<account>/prometheus.")
	}
	return false
}

func (p *prober) names(ctx context.Context) bool {
	var match []string
	if p.common != "" {
		match = []string{`{` + p.common + `__name__=~".+"}`} // a selector must not match all
	}
	err := p.retry(ctx, "probe", func(ctx context.Context) error {
		names, _, _, err := p.api.LabelValues(ctx, model.MetricNameLabel, match, p.now.Add(-lookBack), p.now)
		p.known = map[string]bool{}
		for _, n := range names {
			p.known[string(n)] = true
		}
		return err
	})
	if err != nil {
		p.broken("names of metrics", err)
	}
	return err == nil
}

func (p *prober) cluster(ctx context.Context) bool {
	selected := "all of the store"
	if p.common != "" {
		selected = "{" + strings.TrimSuffix(p.common, ",") + "}"
	}
	if len(p.known) > 0 {
		p.add(OK, "cluster", fmt.Sprintf("%d metrics from %s", len(p.known), selected), "")
		return true
	}
	found := fmt.Sprintf("no series of the last day from %s", selected)
	fix := "Let the store scrape this cluster."
	if p.cfg.ClusterLabel != "" {
		values, _, _, err := p.api.LabelValues(ctx, p.cfg.ClusterLabel, nil, p.now.Add(-lookBack), p.now)
		if err != nil {
			p.broken("cluster", err)
			return false
		}
		found += fmt.Sprintf("; the values of %s are %v", p.cfg.ClusterLabel, values)
	}
	if p.common != "" {
		fix = "Set cluster, cluster_label and matchers to what the series carry; an external label of Prometheus is on them only in Thanos, Mimir and the like."
	}
	p.add(Failed, "cluster", found, fix)
	return false
}

func (p *prober) metrics() {
	for _, n := range needs {
		check := fmt.Sprintf("%s: %s", n.exporter, n.metric)
		switch {
		case p.known[n.metric]:
			p.add(OK, check, "there", "")
		case n.exporter == DCGM && (p.cfg.Labels.GPU == styleNone || n.metric != needGPU && !p.known[needGPU]):
			// Not asked for, or said already.
		default:
			p.add(n.level, check, "no sample in the last day; without it "+n.without, n.fix)
		}
	}
}

// styles says how labels arrive, since a wrong guess would find nothing, silently.
func (p *prober) styles(ctx context.Context) {
	for _, e := range slices.Sorted(maps.Keys(signs)) {
		found, err := p.stylesAt(ctx, e, p.now)
		if err != nil {
			p.broken(string(e)+": labels", err)
			continue
		}
		var names []string
		for _, style := range found {
			names = append(names, style.namespace+", "+style.pod+" and "+style.container)
		}
		if len(names) > 0 {
			p.add(OK, string(e)+": labels", "read from "+strings.Join(names, "; also from "), "")
		}
	}
}

// quality checks that values are what they should be.
func (p *prober) quality(ctx context.Context) {
	for _, c := range []struct {
		metric, check, expr string
		bad                 func(float64) bool
		found, fix          string
	}{
		{
			"container_memory_max_usage_bytes", "cadvisor: high-water mark", `count(container_memory_max_usage_bytes{%scontainer!=""} > 0)`, math.IsNaN,
			"container_memory_max_usage_bytes is always 0: peaks between scrapes are missed",
			"Use cgroup v2 with Linux 5.19 or later and a current container runtime.",
		}, {
			"container_cpu_usage_seconds_total", "cadvisor: label id", `count(container_cpu_usage_seconds_total{%scontainer!="",id=""})`, func(n float64) bool { return n > 0 },
			"the label id is dropped: CPU seconds are counted from all samples instead of the last one, which costs the store more",
			"Keep the label id of container_* in the kubelet's metric_relabel_configs.",
		},
	} {
		if !p.known[c.metric] {
			continue // reported already
		}
		n, err := p.number(ctx, fmt.Sprintf(c.expr, p.common))
		switch {
		case err != nil:
			p.broken(c.check, err)
		case c.bad(n):
			p.add(Warning, c.check, c.found, c.fix)
		default:
			p.add(OK, c.check, "as it should be", "")
		}
	}
}

// allowLists checks the labels that kube-state-metrics gives only on demand.
func (p *prober) allowLists(ctx context.Context) {
	for _, a := range allowed {
		if !p.known[a.metric] {
			continue
		}
		check := fmt.Sprintf("%s: %s of %s", KubeStateMetrics, a.label, a.metric)
		selector := fmt.Sprintf("%s{%s%s!=\"\"}", a.metric, p.common, a.label)
		seen, err := p.exists(ctx, selector, p.now)
		switch {
		case err != nil:
			p.broken(check, err)
		case seen:
			p.add(OK, check, "there", "")
		default:
			p.add(Warning, check, "on no series of the last day; without it "+a.without, a.fix)
		}
	}
}

// interval compares the kubelets' scrape interval with the configured one.
func (p *prober) interval(ctx context.Context) {
	const check, span = "cadvisor: scrape interval", 10 * time.Minute
	n, err := p.number(ctx, fmt.Sprintf(`quantile(0.5, count_over_time(container_memory_working_set_bytes{%scontainer!=""}[%s]))`, p.common, promDuration(span)))
	switch {
	case err != nil:
		p.broken(check, err)
	case math.IsNaN(n):
		p.add(Warning, check, "no samples in the last ten minutes", "Run the check again while pods run.")
	case span.Seconds()/n > 1.5*p.scrape().Seconds():
		p.add(Warning, check, fmt.Sprintf("a sample about every %.0fs, scrape_interval says %s", span.Seconds()/n, p.cfg.ScrapeInterval),
			"Set scrape_interval to the longest interval of kubelet, kube-state-metrics and dcgm-exporter; scrape the kubelets every 15s or 30s.")
	default:
		p.add(OK, check, fmt.Sprintf("a sample about every %.0fs", span.Seconds()/n), "")
	}
}

// backend looks for stores that need settings of their own. Only Thanos reads
// partial_response, so only Thanos objects to nonsense in it; only MetricsQL has now().
func (p *prober) backend(ctx context.Context) {
	const check = "query API: kind"
	if _, set := p.cfg.QueryParams["partial_response"]; !set {
		err := p.retry(ctx, "probe", func(ctx context.Context) error {
			_, _, _, err := p.withParam("partial_response", "runcast").Query(ctx, "vector(1)", p.now)
			return err
		})
		switch classify(err) {
		case classOK:
		case classError:
			p.add(Warning, check, "this is Thanos, without partial_response=false: it may answer in part, or from downsampled blocks",
				"Set query_params: {dedup: \"true\", partial_response: \"false\", max_source_resolution: 0s}.")
			return
		default:
			p.broken(check, err)
			return
		}
	}
	if _, err := p.number(ctx, "now()"); err == nil {
		p.add(OK, check, "VictoriaMetrics", "")
		return
	}
	p.add(OK, check, "Prometheus, or an API like it", "")
}

// queries evaluates every template for nothing in particular: the server then says
// which it does not understand.
func (p *prober) queries(ctx context.Context) {
	bad := 0
	for _, name := range slices.Sorted(maps.Keys(p.templates)) {
		sc := scope{namespace: "runcast-probe", names: []string{"runcast-probe"}, at: p.now, window: time.Minute, from: p.now, to: p.now}
		q := p.templates[name]
		text, err := q.render(p.variables(sc, plain))
		if err == nil {
			_, err = p.query(ctx, name, text, p.now)
		}
		if err == nil {
			continue
		}
		bad++
		if c := classify(err); c != classError && c != classLarge {
			p.broken("template "+name, err)
			continue
		}
		fix := "Report this: the store does not accept a built-in query."
		if _, ok := p.cfg.Templates[name]; ok {
			fix = fmt.Sprintf("Correct templates.%s.query in the configuration.", name)
		}
		p.add(Failed, "template "+name, err.Error(), fix)
	}
	if bad == 0 {
		p.add(OK, "templates", fmt.Sprintf("the store accepts all %d", len(p.templates)), "")
	}
}

// withParam is the API with one more parameter on every request.
func (s *Source) withParam(name, value string) v1.API {
	params := maps.Clone(s.client.params)
	params.Set(name, value)
	return v1.NewAPI(apiClient{s.client.Client, params})
}
