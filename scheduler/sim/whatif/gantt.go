package whatif

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor/report/page"
	"github.com/runcast/runcast/scheduler/sim"
)

// A gantt shows the same few jobs under two policies, side by side: a row a job, while
// it waits and while it runs.
type gantt struct {
	Jobs   int
	Day    string
	Panels []panel
	Height int
	Bottom int // of the rows
}

type panel struct {
	Label string
	Wait  string // mean, of these jobs
	Ticks []page.Tick
	Rows  []ganttRow
}

type ganttRow struct {
	Y               float64
	Wait, WaitWidth float64 // pixels
	Run, RunWidth   float64
	Text            string // of the tooltip
}

// Sizes in pixels.
const (
	ganttWidth = 490
	ganttTop   = 26
	ganttStep  = 8.0
	ganttJobs  = 45
)

// newGantt shows the stretch of jobs that waited longest in all, under the first policy.
func newGantt(first, ours *Run) *gantt {
	n := min(ganttJobs, len(first.Schedule))
	from := stretch(first.Schedule, n)
	begin := first.Schedule[from].Job.Submitted
	var ends []time.Duration
	for _, r := range []*Run{first, ours} {
		for _, e := range r.Schedule[from : from+n] {
			ends = append(ends, e.End.Sub(begin))
		}
	}
	slices.Sort(ends)
	length := ends[(len(ends)-1)*9/10] // the last tenth is cut off
	scale := page.Scale{High: length.Seconds(), To: ganttWidth}
	g := &gantt{Jobs: n, Day: begin.UTC().Format("2 Jan 2006 15:04"), Bottom: ganttTop + int(ganttStep)*n}
	g.Height = g.Bottom + 22
	for _, r := range []*Run{first, ours} {
		p := panel{Label: r.Label}
		var wait time.Duration
		for k, e := range r.Schedule[from : from+n] {
			wait += e.Wait() / time.Duration(n)
			at := func(t time.Time) float64 { return scale.At(min(t.Sub(begin), length).Seconds()) }
			submitted, start, end := at(e.Job.Submitted), at(e.Start), at(e.End)
			width := func(a, b float64) float64 { return math.Round(10*max(b-a, 0)) / 10 }
			row := ganttRow{Y: ganttTop + ganttStep*float64(k), Wait: submitted, WaitWidth: width(submitted, start), Run: start}
			if !e.Start.After(begin.Add(length)) {
				row.RunWidth = max(width(start, end), 1.5)
			}
			row.Text = fmt.Sprintf("%s: waited %s, ran %s", e.Job.ID, page.Seconds(e.Wait().Seconds()), page.Seconds(e.Job.Runtime.Seconds()))
			p.Rows = append(p.Rows, row)
		}
		p.Wait = page.Seconds(wait.Seconds())
		for _, m := range clock(begin, begin.Add(length), 5) {
			p.Ticks = append(p.Ticks, page.Tick{At: scale.At(m.at.Sub(begin).Seconds()), Label: m.label})
		}
		g.Panels = append(g.Panels, p)
	}
	return g
}

// stretch is where n jobs in a row begin whose waits are largest in sum.
func stretch(schedule []sim.Execution, n int) int {
	var sum, most time.Duration
	best := 0
	for i := range schedule {
		sum += schedule[i].Wait()
		if i >= n {
			sum -= schedule[i-n].Wait()
		}
		if i >= n-1 && sum > most {
			best, most = i-n+1, sum
		}
	}
	return best
}
