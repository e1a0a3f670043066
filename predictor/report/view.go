package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/runcast/runcast/predictor/report/page"
	"github.com/runcast/runcast/predictor/train"
)

// view is what the page's template shows.
type view struct {
	*Report
	Span, Jobs, Judged  string
	Tiles               []page.Tile
	Error, Waste        *page.Bars
	Calibration, Curves *page.Plot
	Saved               string
	Largest, Worst      table
	Fewest              int // jobs of a group among the worst
}

// A table is of groups.
type table struct {
	Memory bool // show the columns of memory
	Rows   []row
}

// A row is a group of jobs.
type row struct {
	Name, Jobs       string
	Error            string // mean absolute
	Rule, RuleError  string // the best simple rule, and its error
	Change           string
	Better           bool
	Within           string
	WithinWidth      float64 // of a bar of 50 pixels
	Holds            string
	Wasted, Requests string // GB-hours of memory, and with the users' requests
}

const (
	mostLargest, mostWorst = 12, 8
	// fewest is how many judged jobs it takes to call a group bad.
	fewest = 20
)

func (r *Report) view() view {
	const day = "2 Jan 2006"
	v := view{Report: r, Span: r.From.UTC().Format(day) + " to " + r.To.UTC().Format(day),
		Jobs: page.Count(r.Records), Judged: page.Count(r.Runtime.Jobs), Fewest: fewest}
	v.Tiles = append(r.runtimeTiles(), r.memoryTiles()...)
	v.Error, v.Calibration = r.errors(), r.calibration()
	if r.Memory != nil {
		v.Waste, v.Curves, v.Saved = r.waste(), r.curves(), r.saved()
	}
	v.Largest, v.Worst = r.groups()
	return v
}

// names are what the predictors are called on the page.
var names = map[string]string{
	train.Runcast: "Runcast",
	"request":     "your requests",
	"last2":       "last two of the user",
	"key_median":  "last ten of the name",
	"hierarchy":   "finest group",
	"max102":      "largest + 2 %",
	"q99x102":     "99th pct. + 2 %",
}

// name is what a predictor is called beside others of a target.
func (r *Report) name(predictor string, target train.Target) string {
	if predictor == "request" && target == train.Runtime {
		return "your limits"
	}
	return names[predictor]
}

// class is the style of a predictor.
func class(predictor string) string {
	switch predictor {
	case train.Runcast, "request":
		return predictor
	case "q99x102":
		return "rule second"
	}
	return "rule"
}

// best is the simple rule, what the users asked for included, that has least of a loss.
func best(predictors map[string]train.Metrics, loss func(train.Metrics) float64) string {
	rule := ""
	for _, name := range slices.Sorted(maps.Keys(predictors)) {
		if name != train.Runcast && (rule == "" || loss(predictors[name]) < loss(predictors[rule])) {
			rule = name
		}
	}
	return rule
}

func meanError(m train.Metrics) float64 { return m.MAE }
func wastage(m train.Metrics) float64   { return m.WastageGBh }
func notWithin(m train.Metrics) float64 { return -m.Within2x }

func (r *Report) runtimeTiles() []page.Tile {
	p := r.Runtime.Predictors
	m, near, exact := p[train.Runcast], p[best(p, notWithin)], p[best(p, meanError)]
	return []page.Tile{
		{Value: page.Percent(m.Within2x), What: "of the runtimes within a factor of two", Beside: "best simple rule " + page.Percent(near.Within2x), Good: m.Within2x >= near.Within2x},
		{Value: page.Seconds(m.MAE), What: "mean error of the runtime", Beside: "best simple rule " + page.Seconds(exact.MAE), Good: m.MAE <= exact.MAE},
		{Value: page.Percent(m.CoverageP90), What: "of the jobs stayed within their p90", Beside: "90 % is right", Good: m.CoverageP90 >= 0.88 && m.CoverageP90 <= 0.92},
	}
}

func (r *Report) memoryTiles() []page.Tile {
	if r.Memory == nil {
		return nil
	}
	p := r.Memory.Predictors
	m, asked := p[train.Runcast], p["request"]
	what := "less memory wasted than with your requests"
	if m.WastageGBh > asked.WastageGBh {
		what = "more memory wasted than with your requests"
	}
	return []page.Tile{{Value: page.Percent(math.Abs(share(asked.WastageGBh-m.WastageGBh, asked.WastageGBh))), What: what,
		Beside: fmt.Sprintf("%s of the jobs killed for memory once, with your requests %s", page.Percent(m.FirstAttemptFailures), page.Percent(asked.FirstAttemptFailures)),
		Good:   m.WastageGBh <= asked.WastageGBh}}
}

func (r *Report) errors() *page.Bars {
	p := maps.Clone(r.Runtime.Predictors)
	if !r.Limited {
		delete(p, "request")
	}
	return r.ranked(p, train.Runtime, meanError, page.Seconds)
}

func (r *Report) waste() *page.Bars {
	return r.ranked(r.Memory.Predictors, train.Memory, wastage, gigabyteHours)
}

// ranked draws a loss of each predictor, the best first.
func (r *Report) ranked(p map[string]train.Metrics, target train.Target, loss func(train.Metrics) float64, unit func(float64) string) *page.Bars {
	order := slices.SortedFunc(maps.Keys(p), func(a, b string) int {
		return cmp.Or(cmp.Compare(loss(p[a]), loss(p[b])), cmp.Compare(a, b))
	})
	rows, amounts := make([]page.Bar, 0, len(p)), make([]float64, 0, len(p))
	for _, predictor := range order {
		x := loss(p[predictor])
		rows = append(rows, page.Bar{Class: class(predictor), Label: r.name(predictor, target), Value: unit(x)})
		amounts = append(amounts, x)
	}
	b := page.NewBars(rows, amounts)
	return &b
}

// calibration draws what share of the jobs came at or below each level that was said.
func (r *Report) calibration() *page.Plot {
	x := page.Across(0, 1, false)
	y := page.Up(0, 1, false)
	p := &page.Plot{Ideal: true, XTitle: "level that was said", YTitle: "share of the jobs at or below", XTicks: x.Ticks(page.Percent, 0.1, 0.5, 0.9), YTicks: y.Ticks(page.Percent, 0.1, 0.5, 0.9, 1)}
	add := func(class, label string, m train.Metrics) {
		l := page.Line{Class: class, Label: label}
		for _, c := range [][2]float64{{0.1, m.CoverageP10}, {0.5, m.CoverageP50}, {0.9, m.CoverageP90}, {0.99, m.CoverageP99}} {
			l.Marks = append(l.Marks, page.Mark{X: x.At(c[0]), Y: y.At(c[1]), Text: fmt.Sprintf("%s: %s at or below the p%g", label, page.Percent(c[1]), 100*c[0])})
		}
		l.Path = page.Join(l.Marks)
		p.Add(l)
	}
	add("runcast", "runtime", r.Runtime.Predictors[train.Runcast])
	if r.Memory != nil {
		add("memory", "memory", r.Memory.Predictors[train.Runcast])
	}
	return p
}

// curves draws wasted memory against jobs killed for it, as the headroom of each
// predictor varies.
func (r *Report) curves() *page.Plot {
	p := r.Memory.Predictors
	widest := 0.02
	for _, m := range p {
		widest = max(widest, 1.3*m.FirstAttemptFailures)
	}
	widest = min(widest, 1)
	shown := map[string][]train.Scaled{}
	low, high := 0.0, 0.0
	for name, curve := range r.Memory.Curves {
		for _, c := range curve {
			if c.FirstAttemptFailures > widest || name == "request" && c.Scale != 1 || c.WastageGBh <= 0 {
				continue
			}
			shown[name] = append(shown[name], c)
			if low == 0 || c.WastageGBh < low {
				low = c.WastageGBh
			}
			high = max(high, c.WastageGBh)
		}
	}
	if low == 0 {
		return nil // nothing is wasted at all
	}
	x := page.Across(0, widest, false)
	y := page.Up(low/1.3, high*1.3, true)
	chart := &page.Plot{XTitle: "jobs killed for memory at first", YTitle: "GB-hours wasted",
		XTicks: x.Ticks(page.Percent, page.Steps(widest)...), YTicks: y.Ticks(page.Plain, page.Decades(y.Low, y.High)...)}
	for _, name := range []string{"request", "max102", "q99x102", train.Runcast} {
		l := page.Line{Class: class(name), Label: names[name], Single: name == "request"}
		var all []page.Mark
		for _, c := range shown[name] {
			m := page.Mark{X: x.At(c.FirstAttemptFailures), Y: y.At(c.WastageGBh),
				Text: fmt.Sprintf("%s × %g: %s wasted, %s killed", names[name], c.Scale, gigabyteHours(c.WastageGBh), page.Percent(c.FirstAttemptFailures))}
			if all = append(all, m); c.Scale == 1 {
				l.Marks = append(l.Marks, m)
			}
		}
		l.Path = page.Join(all)
		chart.Add(l)
	}
	return chart
}

// saved says in words what Runcast's requests would have saved.
func (r *Report) saved() string {
	asked, m := r.Memory.Predictors["request"], r.Memory.Predictors[train.Runcast]
	used := r.Memory.UsedGBh
	return fmt.Sprintf("%s jobs used %s of memory. Your requests took %s for them, retries after an OOM kill included; "+
		"those of Runcast would have taken %s, with %s of the jobs killed at first against %s.",
		page.Count(r.Memory.Jobs), gigabyteHours(used), gigabyteHours(used+asked.WastageGBh), gigabyteHours(used+m.WastageGBh),
		page.Percent(m.FirstAttemptFailures), page.Percent(asked.FirstAttemptFailures))
}

func (r *Report) groups() (largest, worst table) {
	largest.Memory, worst.Memory = r.Memory != nil, r.Memory != nil
	memory := map[train.GroupName]train.Group{}
	if r.Memory != nil {
		for _, g := range r.Memory.Groups {
			memory[g.GroupName] = g
		}
	}
	row := func(g train.Group) row {
		w := r.row(g)
		if m, ok := memory[g.GroupName]; ok {
			w.Wasted, w.Requests = page.Number(m.Predictors[train.Runcast].WastageGBh), page.Number(m.Predictors["request"].WastageGBh)
		}
		return w
	}
	all := r.Runtime.Groups
	for _, g := range all[:min(len(all), mostLargest)] {
		largest.Rows = append(largest.Rows, row(g))
	}
	overall := r.Runtime.Predictors[train.Runcast].Within2x
	bad := slices.DeleteFunc(slices.Clone(all), func(g train.Group) bool {
		return g.Jobs < fewest || g.Predictors[train.Runcast].Within2x >= overall
	})
	slices.SortStableFunc(bad, func(a, b train.Group) int {
		return cmp.Compare(a.Predictors[train.Runcast].Within2x, b.Predictors[train.Runcast].Within2x)
	})
	for _, g := range bad[:min(len(bad), mostWorst)] {
		worst.Rows = append(worst.Rows, row(g))
	}
	return largest, worst
}

func (r *Report) row(g train.Group) row {
	m, rule := g.Predictors[train.Runcast], best(g.Predictors, meanError)
	other := g.Predictors[rule].MAE
	w := row{Name: strings.ToValidUTF8(g.String(), "?"), Jobs: page.Count(g.Jobs), Error: page.Seconds(m.MAE), Rule: r.name(rule, train.Runtime), RuleError: page.Seconds(other),
		Within: page.Percent(m.Within2x), WithinWidth: math.Round(50 * m.Within2x), Holds: page.Percent(m.CoverageP90), Better: m.MAE <= other}
	if other > 0 {
		w.Change = fmt.Sprintf("%+.0f %%", 100*(m.MAE-other)/other)
	}
	return w
}

// share is part of whole, zero of nothing.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

func gigabyteHours(x float64) string { return page.Number(x) + " GBh" }
