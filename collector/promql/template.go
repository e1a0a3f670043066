package promql

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v2"
)

//go:embed templates.yaml
var templatesYAML []byte

// A Template is one named query of templates.yaml.
type Template struct {
	Help     string   // what the value is
	Unit     Unit     // of the query's value
	Exporter Exporter // whose label names apply
	Feeds    string   // the field it ends up in
	Query    string   // text/template over Variables
}

// Variables are what a query can refer to.
type Variables struct {
	// Namespace, Pod and Container are the names under which the exporter's labels
	// arrive: "namespace", "exported_pod".
	Namespace, Pod, Container string
	// Select are matchers for the cluster, the namespace and those of the
	// configuration: empty, or ending with a comma.
	Select string
	// Names is a quoted regular expression for the things asked about: pods, jobs,
	// nodes or UUIDs of GPUs, as the query's label says.
	Names string
	// Window is the range, which ends when the query is evaluated; Step the resolution
	// of subqueries, the scrape interval or finer; RateWindow a range that holds four
	// scrapes, at least two minutes. All are Prometheus durations.
	Window, Step, RateWindow string
	// Start is when the window begins, in Unix seconds. Subqueries need it: they look
	// back beyond the window by five minutes.
	Start string
	// From and To bound the time of completion, in Unix seconds.
	From, To string
}

// A Unit is that of a query's value.
type Unit string

// units gives each unit the factor to the one the package works in, by kind.
var units = []map[Unit]float64{
	{"info": 1}, // the labels say it
	{"count": 1},
	{"unix_seconds": 1, "unix_milliseconds": 1e-3},
	{"seconds": 1},
	{"bytes": 1, "kibibytes": 1 << 10, "mebibytes": 1 << 20, "gibibytes": 1 << 30},
	{"cores": 1, "millicores": 1e-3},
	{"core_seconds": 1},
	{"ratio": 1, "percent": 1e-2},
}

// kind returns the units that u can be exchanged for; nil if u is unknown.
func (u Unit) kind() map[Unit]float64 {
	for _, k := range units {
		if _, ok := k[u]; ok {
			return k
		}
	}
	return nil
}

// A query is a Template ready to be rendered.
type query struct {
	Template
	factor float64 // of the value's unit
	text   *template.Template
}

// Templates returns the built-in templates by name.
func Templates() (map[string]Template, error) {
	var all map[string]Template
	if err := yaml.UnmarshalStrict(templatesYAML, &all); err != nil {
		return nil, fmt.Errorf("templates.yaml: %w", err)
	}
	return all, nil
}

// loadTemplates parses the built-in templates and what replaces them; every
// replacement that cannot be used is in the error. Whether the result is PromQL the
// server alone can say; Source.Probe asks it.
func loadTemplates(overrides map[string]Override) (map[string]query, error) {
	all, err := Templates()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		t, ok := all[name]
		o := overrides[name]
		if !ok {
			errs = append(errs, fmt.Errorf("templates: no template is called %q, expected one of %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", ")))
			continue
		}
		if o.Unit != "" {
			if kind := t.Unit.kind(); kind[o.Unit] == 0 {
				errs = append(errs, fmt.Errorf("templates.%s.unit: expected one of %v, got %q", name, slices.Sorted(maps.Keys(kind)), o.Unit))
				continue
			}
			t.Unit = o.Unit
		}
		t.Query = o.Query
		all[name] = t
	}
	out := make(map[string]query, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		q, err := parse(name, all[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("templates.%s: %w", name, err))
		}
		out[name] = q
	}
	return out, errors.Join(errs...)
}

func parse(name string, t Template) (query, error) {
	q := query{Template: t}
	if styles[t.Exporter] == nil {
		return q, fmt.Errorf("exporter: expected one of %v, got %q", slices.Sorted(maps.Keys(styles)), t.Exporter)
	}
	if q.factor = t.Unit.kind()[t.Unit]; q.factor == 0 {
		return q, fmt.Errorf("unit: %q is unknown", t.Unit)
	}
	var err error
	if q.text, err = template.New(name).Option("missingkey=error").Parse(t.Query); err != nil {
		return q, fmt.Errorf("query: %w", err)
	}
	text, err := q.render(Variables{Namespace: "namespace", Pod: "pod", Container: "container", Names: `"a"`, Window: "1h", Step: "30s", RateWindow: "2m", Start: "0", From: "0", To: "1"})
	if err != nil {
		return q, fmt.Errorf("query: %w", err)
	}
	if strings.TrimSpace(text) == "" {
		return q, errors.New("query: expected a query, got nothing")
	}
	return q, nil
}

func (q *query) render(v Variables) (string, error) {
	var b strings.Builder
	err := q.text.Execute(&b, v)
	return b.String(), err
}

// A scope is what one query asks about.
type scope struct {
	namespace string   // empty for all
	names     []string // none for any
	at        time.Time
	window    time.Duration // ends at at
	from, to  time.Time     // of completion
	step      time.Duration // of subqueries; zero for the scrape interval
}

// variables are those of a scope in the series of one style.
func (s *Source) variables(sc scope, style labelStyle) Variables {
	sel := s.common + style.only
	if sc.namespace != "" {
		sel += style.namespace + "=" + strconv.QuoteToASCII(sc.namespace) + ","
	}
	step := time.Duration(s.cfg.ScrapeInterval)
	return Variables{
		Namespace: style.namespace, Pod: style.pod, Container: style.container,
		Select:     sel,
		Names:      oneOf(sc.names),
		Window:     promDuration(sc.window),
		Step:       promDuration(cmp.Or(sc.step, step)),
		RateWindow: promDuration(rateWindow(step)),
		Start:      unixSeconds(sc.at.Add(-sc.window)),
		From:       unixSeconds(sc.from),
		To:         unixSeconds(sc.to),
	}
}

// rateWindow is over what time rates are taken, for a scrape interval.
func rateWindow(scrape time.Duration) time.Duration { return max(4*scrape, 2*time.Minute) }

// commonMatchers are those of the configuration, each with a comma.
func commonMatchers(c Config) string {
	var b strings.Builder
	if c.ClusterLabel != "" {
		b.WriteString(c.ClusterLabel + "=" + strconv.QuoteToASCII(c.Cluster) + ",")
	}
	for _, m := range c.Matchers {
		b.WriteString(m + ",")
	}
	return b.String()
}

// oneOf is a quoted regular expression that matches exactly the names, or any if
// there are none.
func oneOf(names []string) string {
	if len(names) == 0 {
		return `".+"`
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(strings.ToValidUTF8(n, "\uFFFD")) // Kubernetes has no such names
	}
	return strconv.QuoteToASCII(strings.Join(quoted, "|"))
}

// promDuration writes d, at least a millisecond, in Prometheus' syntax.
func promDuration(d time.Duration) string {
	if d = max(d, time.Millisecond); d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
}

func unixSeconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1e3, 'f', -1, 64)
}
