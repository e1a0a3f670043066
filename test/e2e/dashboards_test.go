//go:build e2e

package e2e

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
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
	client, err := promapi.NewClient(promapi.Config{Address: i.PrometheusURL()})
	if err != nil {
		return 0, err
	}
	var found model.Value
	if now := time.Now(); from.IsZero() {
		found, _, _, err = promv1.NewAPI(client).Query(i.ctx, expr, now)
	} else {
		found, _, _, err = promv1.NewAPI(client).QueryRange(i.ctx, expr, promv1.Range{Start: from, End: now, Step: 2 * time.Second})
	}
	count := func(x model.SampleValue) {
		if !math.IsNaN(float64(x)) {
			n++
		}
	}
	switch found := found.(type) {
	case *model.Scalar:
		count(found.Value)
	case model.Vector:
		for _, s := range found {
			count(s.Value)
		}
	case model.Matrix:
		for _, series := range found {
			for _, s := range series.Values {
				count(s.Value)
			}
		}
	}
	return n, err
}
