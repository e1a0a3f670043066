package sim

import (
	"math"
	"slices"
	"time"
)

// A Result is what a simulation came to. Times are in seconds.
type Result struct {
	Jobs  int `json:"jobs"`
	Unfit int `json:"unfit,omitempty"` // jobs left out because no node could ever run them
	Measures
	Makespan    float64 `json:"makespan_seconds"` // from the first submission to the last end
	Utilization float64 `json:"utilization"`      // 0..1 over the makespan, of the busiest resource
	// LowerBound is of the mean flow time, and Gap by what part of it the mean flow time
	// is above; zero until Bounded is called.
	LowerBound      float64 `json:"lower_bound_seconds"`
	Gap             float64 `json:"gap"`
	PlanningSeconds float64 `json:"planning_seconds"`
	MissedDeadlines int     `json:"missed_deadlines,omitempty"`
	Retried         int     `json:"retried,omitempty"` // jobs that were killed for memory, once or more
	ETA             ETA     `json:"eta"`

	// Schedule is when each job ran, in order of submission.
	Schedule []Execution `json:"-"`
}

// An Execution is when a job ran.
type Execution struct {
	Job        *Job
	Start, End time.Time
	Nodes      []int // one for each pod, counted as in the nodes file; nil if the policy places nothing
}

// Flow is the time from submission to the end.
func (e *Execution) Flow() time.Duration { return e.End.Sub(e.Job.Submitted) }

// Wait is the time from submission to the start.
func (e *Execution) Wait() time.Duration { return e.Start.Sub(e.Job.Submitted) }

// boundedSlowdown is the flow time over the runtime, both taken as at least ten
// seconds (Feitelson and Rudolph, JSSPP 1998).
func (e *Execution) boundedSlowdown() float64 {
	const tau = 10.0
	return math.Max(1, e.Flow().Seconds()/math.Max(e.Job.Runtime.Seconds(), tau))
}

// Measures are what became of some jobs, in seconds. The flow time of a job is from its
// submission to its end, its wait from its submission to its start.
type Measures struct {
	MeanFlow        float64 `json:"mean_flow_seconds"`
	MeanWait        float64 `json:"mean_wait_seconds"`
	P95Wait         float64 `json:"p95_wait_seconds"`
	MaxFlow         float64 `json:"max_flow_seconds"`
	MeanBoundedSlow float64 `json:"mean_bounded_slowdown"` // threshold 10 s
}

func measure(schedule []Execution) Measures {
	var m Measures
	n := float64(len(schedule))
	waits := make([]float64, 0, len(schedule))
	for i := range schedule {
		e := &schedule[i]
		wait, flow := e.Wait().Seconds(), e.Flow().Seconds()
		waits = append(waits, wait)
		m.MeanWait += wait / n
		m.MeanFlow += flow / n
		m.MaxFlow = math.Max(m.MaxFlow, flow)
		m.MeanBoundedSlow += e.boundedSlowdown() / n
	}
	slices.Sort(waits)
	m.P95Wait = waits[int(math.Ceil(0.95*n))-1]
	return m
}

// Windows measures n consecutive parts of the log of equally many jobs, give or take
// one. There must be at least n jobs.
func (r *Result) Windows(n int) []Measures {
	windows := make([]Measures, n)
	for i := range windows {
		windows[i] = measure(r.Schedule[len(r.Schedule)*i/n : len(r.Schedule)*(i+1)/n])
	}
	return windows
}

// Bounded says how far the mean flow time is above a lower bound.
func (r *Result) Bounded(bound float64) {
	r.LowerBound, r.Gap = bound, r.MeanFlow/bound-1
}

// An ETA says how well ends and starts were foretold at submission. It is zero for
// policies that foretell nothing.
type ETA struct {
	Foretold          // of the ends
	Start    Foretold `json:"start"` // of those jobs that did not start at once
}

// Foretold compares what was foretold with what came.
type Foretold struct {
	Jobs int `json:"jobs"` // of which it was foretold
	// CoverageP50 and CoverageP90 are the shares of jobs for which it had come by the
	// time foretold at that level; good are 0.5 and 0.9.
	CoverageP50         float64 `json:"coverage_p50"`
	CoverageP90         float64 `json:"coverage_p90"`
	MedianAbsoluteError float64 `json:"median_abs_error_seconds"` // of the P50
}

func (r *run) result() Result {
	res := Result{Jobs: len(r.tasks), Unfit: r.unfit, PlanningSeconds: r.planning.Seconds()}
	var last time.Duration
	used := make([]float64, len(r.Cluster.resources))
	for _, t := range r.tasks {
		e := Execution{t.Job, r.begin.Add(t.start), r.begin.Add(t.end), t.nodes}
		res.Schedule = append(res.Schedule, e)
		last = max(last, t.end)
		if !t.Deadline.IsZero() && e.End.After(t.Deadline) {
			res.MissedDeadlines++
		}
		if t.kills > 0 {
			res.Retried++
		}
		for k, q := range t.request {
			used[k] += float64(q) * float64(t.pods) * t.Runtime.Seconds()
		}
	}
	res.Measures = measure(res.Schedule)
	res.Makespan = last.Seconds()
	for k, c := range r.Cluster.total() {
		if c > 0 {
			res.Utilization = math.Max(res.Utilization, used[k]/float64(c)/res.Makespan)
		}
	}
	res.ETA = r.eta()
	return res
}

func (r *run) eta() ETA {
	var ends, starts []deviation
	for _, t := range r.tasks {
		p := &t.promised
		if !p.end50.IsZero() {
			ends = append(ends, deviation{r.begin.Add(t.end), p.end50, p.end90})
		}
		if p.start50.After(t.Submitted) {
			starts = append(starts, deviation{r.begin.Add(t.start), p.start50, p.start90})
		}
	}
	return ETA{foretold(ends), foretold(starts)}
}

// A deviation is when something came, and when it was foretold for.
type deviation struct{ came, p50, p90 time.Time }

func foretold(all []deviation) Foretold {
	f := Foretold{Jobs: len(all)}
	if f.Jobs == 0 {
		return f
	}
	by50, by90 := 0, 0
	wrong := make([]float64, 0, len(all))
	for _, d := range all {
		if !d.came.After(d.p50) {
			by50++
		}
		if !d.came.After(d.p90) {
			by90++
		}
		wrong = append(wrong, d.came.Sub(d.p50).Abs().Seconds())
	}
	f.CoverageP50, f.CoverageP90 = float64(by50)/float64(len(all)), float64(by90)/float64(len(all))
	slices.Sort(wrong)
	f.MedianAbsoluteError = wrong[(len(wrong)-1)/2]
	return f
}
