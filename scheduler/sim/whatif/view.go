package whatif

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor/report/page"
	"github.com/runcast/runcast/scheduler/sim"
)

// view is what the page's template shows.
type view struct {
	*WhatIf
	Sentence      string
	Jobs, Span    string
	Tiles         []page.Tile
	Flow, Wait    page.Bars
	Waits, Flows  *page.Plot
	Queue         *page.Plot
	Gantt         *gantt
	Rows          []row
	Unfit, Killed string
}

// A row is a run in numbers.
type row struct{ Label, Flow, Wait, P95, Longest, Slowdown string }

func (w *WhatIf) view() view {
	first, ours := &w.Runs[0], &w.Runs[len(w.Runs)-1]
	v := view{WhatIf: w, Jobs: page.Count(ours.Jobs), Span: w.span()}
	v.Sentence = w.sentence()
	v.Tiles = []page.Tile{
		lower(page.Seconds(ours.MeanWait), "mean wait", first.Label+" "+page.Seconds(first.MeanWait), ours.MeanWait, first.MeanWait),
		lower(page.Seconds(ours.P95Wait), "is the longest wait of 95 % of the jobs", first.Label+" "+page.Seconds(first.P95Wait), ours.P95Wait, first.P95Wait),
		lower(change(ours.MeanFlow, first.MeanFlow), "mean time from submission to end", "95 % sure: "+between(ours.Against), ours.MeanFlow, first.MeanFlow),
		lower(page.Percent(1-ours.LowerBound/ours.MeanFlow), "is the most that a perfect schedule could still gain", "no schedule has a mean below "+page.Seconds(ours.LowerBound), 0, 0),
	}
	if ours.Against == nil {
		v.Tiles[2].Beside = first.Label + " " + page.Seconds(first.MeanFlow)
	}
	v.Flow = w.bars(func(m *sim.Measures) float64 { return m.MeanFlow }, func(i *sim.Intervals) sim.Interval { return i.MeanFlow })
	v.Wait = w.bars(func(m *sim.Measures) float64 { return m.MeanWait }, func(i *sim.Intervals) sim.Interval { return i.MeanWait })
	v.Waits = w.distribution("waited at most", (*sim.Execution).Wait)
	v.Flows = w.distribution("from submission to end", (*sim.Execution).Flow)
	v.Queue = w.queue()
	v.Gantt = newGantt(first, ours)
	for _, r := range w.Runs {
		v.Rows = append(v.Rows, row{r.Label, page.Seconds(r.MeanFlow), page.Seconds(r.MeanWait), page.Seconds(r.P95Wait), page.Seconds(r.MaxFlow), page.Number(r.MeanBoundedSlow)})
	}
	if ours.Unfit > 0 {
		v.Unfit = page.Count(ours.Unfit)
	}
	if ours.Retried > 0 {
		v.Killed = page.Percent(float64(ours.Retried) / float64(ours.Jobs))
	}
	return v
}

// lower is a tile that is good if ours is at most what it stands beside.
func lower(value, what, beside string, ours, first float64) page.Tile {
	return page.Tile{Value: value, What: what, Beside: beside, Good: ours <= first}
}

// change is by how much of before after is more.
func change(after, before float64) string { return fmt.Sprintf("%+.1f %%", 100*(after/before-1)) }

func between(i *sim.Interval) string {
	if i == nil {
		return ""
	}
	return fmt.Sprintf("between %+.1f %% and %+.1f %%", i.Low, i.High)
}

// span is from when to when the jobs were submitted.
func (w *WhatIf) span() string {
	s := w.Runs[0].Schedule
	const day = "2 Jan 2006"
	return s[0].Job.Submitted.UTC().Format(day) + " to " + s[len(s)-1].Job.Submitted.UTC().Format(day)
}

// sentence is the page in one.
func (w *WhatIf) sentence() string {
	first, ours := &w.Runs[0], &w.Runs[len(w.Runs)-1]
	s := first.Schedule
	length := s[len(s)-1].Job.Submitted.Sub(s[0].Job.Submitted)
	period := fmt.Sprintf("%.0f days", length.Hours()/24)
	if length < 48*time.Hour {
		period = fmt.Sprintf("%.0f hours", length.Hours())
	}
	was := "would have been " + page.Seconds(first.MeanWait) + " with " + first.Label
	if first.Real {
		was = "was " + page.Seconds(first.MeanWait)
	}
	text := fmt.Sprintf("On your last %s, the mean wait %s; with %s it would have been %s", period, was, ours.Label, page.Seconds(ours.MeanWait))
	if ours.Intervals != nil {
		i := ours.Intervals.MeanWait
		text += fmt.Sprintf(" (95 %% sure: between %s and %s)", page.Seconds(max(i.Low, 0)), page.Seconds(i.High))
	}
	return text + "."
}

// bars draws a measure of each run with its interval, the best first.
func (w *WhatIf) bars(of func(*sim.Measures) float64, interval func(*sim.Intervals) sim.Interval) page.Bars {
	runs := slices.Clone(w.Runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Compare(of(&a.Measures), of(&b.Measures)) })
	var rows []page.Bar
	var amounts []float64
	for _, r := range runs {
		x := of(&r.Measures)
		row := page.Bar{Class: r.Class, Label: r.Label, Value: page.Seconds(x)}
		if r.Intervals != nil {
			i := interval(r.Intervals)
			row.Low, row.High = i.Low, i.High
		}
		rows, amounts = append(rows, row), append(amounts, x)
	}
	return page.NewBars(rows, amounts)
}

// distribution draws what share of the jobs had a time of at most so much.
func (w *WhatIf) distribution(title string, of func(*sim.Execution) time.Duration) *page.Plot {
	low, high := 10.0, 60.0 // seconds
	for _, r := range w.Runs {
		for i := range r.Schedule {
			high = max(high, of(&r.Schedule[i]).Seconds())
		}
	}
	x, y := page.Across(low, high, true), page.Up(0, 1, false)
	p := &page.Plot{XTitle: title, YTitle: "share of the jobs", YTicks: y.Ticks(page.Percent, 0, 0.25, 0.5, 0.75, 1)}
	for _, t := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 10 * time.Hour, 100 * time.Hour, 1000 * time.Hour} {
		if s := t.Seconds(); s <= high {
			p.XTicks = append(p.XTicks, page.Tick{At: x.At(s), Label: span(t)})
		}
	}
	for _, r := range w.Runs {
		times := make([]float64, len(r.Schedule))
		for i := range r.Schedule {
			times[i] = max(of(&r.Schedule[i]).Seconds(), low)
		}
		slices.Sort(times)
		l := page.Line{Class: r.Class, Label: r.Label}
		var marks []page.Mark
		const points = 100
		for k := range points + 1 {
			i := max(len(times)*k/points, 1)
			marks = append(marks, page.Mark{X: x.At(times[i-1]), Y: y.At(float64(i) / float64(len(times)))})
		}
		l.Path = page.Join(marks)
		p.Add(l)
	}
	return p
}

// span writes a round duration.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 240*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f d", d.Hours()/24)
}

// queue draws how many jobs wait, over time.
func (w *WhatIf) queue() *page.Plot {
	const points = 60
	s := w.Runs[0].Schedule
	from, to := s[0].Job.Submitted, s[len(s)-1].Job.Submitted
	every := max(to.Sub(from)/points, time.Second)
	most := 1.0
	counts := make([][]float64, len(w.Runs))
	for i, r := range w.Runs {
		counts[i] = waiting(r.Schedule, from, every, points+1)
		most = max(most, slices.Max(counts[i]))
	}
	x, y := page.Across(0, (points*every).Seconds(), false), page.Up(0, most, false)
	p := &page.Plot{YTitle: "jobs waiting", YTicks: y.Ticks(page.Plain, page.Steps(most)...)}
	for _, t := range clock(from, from.Add(points*every), 5) {
		p.XTicks = append(p.XTicks, page.Tick{At: x.At(t.at.Sub(from).Seconds()), Label: t.label})
	}
	for i, r := range w.Runs {
		var marks []page.Mark
		for k, n := range counts[i] {
			marks = append(marks, page.Mark{X: x.At((time.Duration(k) * every).Seconds()), Y: y.At(n)})
		}
		p.Add(page.Line{Class: r.Class, Label: r.Label, Path: page.Join(marks)})
	}
	return p
}

// waiting is the mean number of jobs that wait in each of n intervals from a time on.
func waiting(schedule []sim.Execution, from time.Time, every time.Duration, n int) []float64 {
	counts := make([]float64, n)
	for _, e := range schedule {
		a, b := e.Job.Submitted.Sub(from), e.Start.Sub(from)
		for k := int(a / every); k < n && time.Duration(k)*every < b; k++ {
			start, end := max(a, time.Duration(k)*every), min(b, time.Duration(k+1)*every)
			counts[k] += float64(end-start) / float64(every)
		}
	}
	return counts
}

// A moment is a labelled time of an axis.
type moment struct {
	at    time.Time
	label string
}

// clock returns round times between two, at most n or so.
func clock(from, to time.Time, n int) []moment {
	steps := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		24 * time.Hour, 48 * time.Hour, 168 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if to.Sub(from) <= time.Duration(n)*s {
			step = s
			break
		}
	}
	var all []moment
	for t := from.UTC().Truncate(step).Add(step); t.Before(to); t = t.Add(step) {
		format := "15:04"
		if midnight := t.Truncate(24 * time.Hour).Equal(t); midnight && to.Sub(from) > 24*time.Hour {
			format = "2 Jan"
		}
		all = append(all, moment{t, t.Format(format)})
	}
	return all
}
