//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"

	"github.com/runcast/runcast/deploy/dashboards"
)

// everyQueryAnswers asks Prometheus what every panel of the dashboards asks, and what
// every rule does: each has data, though nothing is amiss. A graph has it at some time,
// a number has it now, and an alert has it of all that it compares: it would be silent
// for ever without.
func everyQueryAnswers(i *installation) {
	seen := time.Now()
	asked := func(expr string) string {
		return strings.NewReplacer("$__rate_interval", "30s", "$__range", "10m", "$window", "10m", "$queue", ".*").Replace(expr)
	}
	queries := 0
	i.poll("data of every panel and rule", time.Minute, func() error {
		var silent []string
		queries = 0
		ask := func(what, expr string, from time.Time) {
			queries++
			if n, err := i.samples(expr, from); err != nil || n == 0 {
				silent = append(silent, fmt.Sprintf("%s: %d samples, %v: %s", what, n, err, expr))
			}
		}
		for _, d := range dashboards.All() {
			for _, p := range d.Panels {
				from := seen.Add(-10 * time.Minute)
				if p.Kind == dashboards.Stat {
					from = time.Time{}
				}
				for _, q := range p.Queries {
					ask(d.Title+", "+p.Title, asked(q.Expr), from)
				}
			}
		}
		for name, expr := range i.rules() {
			parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
			if err != nil {
				i.Fatal(err)
			}
			for _, part := range compared(parsed) {
				ask(name, part.String(), time.Time{})
			}
		}
		if len(silent) > 0 {
			return fmt.Errorf("%d of %d have none:\n%s", len(silent), queries, strings.Join(silent, "\n"))
		}
		return nil
	})
	i.Logf("%d queries of panels and rules have data", queries)
}

// compared are the parts of a condition that are held against a number, or against
// being there.
func compared(e parser.Expr) []parser.Expr {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return compared(e.Expr)
	case *parser.Call:
		if e.Func.Name == "absent" {
			return compared(e.Args[0])
		}
	case *parser.BinaryExpr:
		if e.Op.IsSetOperator() {
			return append(compared(e.LHS), compared(e.RHS)...)
		}
		if e.Op.IsComparisonOperator() {
			return compared(e.LHS)
		}
	}
	return []parser.Expr{e}
}

// rules are the expressions of the chart's rules, by name.
func (i *installation) rules() map[string]string {
	i.Helper()
	text, err := os.ReadFile(chart + "/rules/runcast.yaml")
	if err != nil {
		i.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Record, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		i.Fatal(err)
	}
	all := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert+r.Record] = r.Expr
		}
	}
	return all
}

// samples counts the numbers that a query has, now or since a time.
func (i *installation) samples(expr string, from time.Time) (n int, err error) {
	call, form := "/api/v1/query", url.Values{"query": {expr}}
	if !from.IsZero() {
		call = "/api/v1/query_range"
		form.Set("start", strconv.FormatInt(from.Unix(), 10))
		form.Set("end", strconv.FormatInt(time.Now().Unix(), 10))
		form.Set("step", "2")
	}
	resp, err := http.PostForm(i.PrometheusURL()+call, form)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	type sample [2]any
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Value  sample
				Values []sample
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, fmt.Errorf("prometheus: %s", answer.Error)
	}
	for _, series := range answer.Data.Result {
		for _, s := range append(series.Values, series.Value) {
			text, _ := s[1].(string)
			if x, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(x) {
				n++
			}
		}
	}
	return n, nil
}
