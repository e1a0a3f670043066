package sim

import (
	"math"
	"slices"
	"time"
)

// A Result is what a simulation came to. Times are in seconds; the flow time of a
// job is from its submission to its end, its wait from its submission to its start.
type Result struct {
	Jobs            int     `json:"jobs"`
	Unfit           int     `json:"unfit,omitempty"` // jobs left out because no node could ever run them
	MeanFlow        float64 `json:"mean_flow_seconds"`
	MeanWait        float64 `json:"mean_wait_seconds"`
	P95Wait         float64 `json:"p95_wait_seconds"`
	MaxFlow         float64 `json:"max_flow_seconds"`
	MeanBoundedSlow float64 `json:"mean_bounded_slowdown"` // threshold 10 s
	Makespan        float64 `json:"makespan_seconds"`      // from the first submission to the last end
	Utilization     float64 `json:"utilization"`           // 0..1 over the makespan, of the busiest resource
	LowerBound      float64 `json:"lower_bound_seconds"`   // of the mean flow time; left to LowerBound, zero until then
	PlanningSeconds float64 `json:"planning_seconds"`
	ETA             ETA     `json:"eta"`
}

// An ETA says how well the ends were foretold at submission. It is zero for
// policies that foretell nothing.
type ETA struct {
	// CoverageP50 and CoverageP90 are the shares of jobs that ended by the time
	// foretold at that level; good are 0.5 and 0.9.
	CoverageP50         float64 `json:"coverage_p50"`
	CoverageP90         float64 `json:"coverage_p90"`
	MedianAbsoluteError float64 `json:"median_abs_error_seconds"` // of the P50
}

func (r *run) result() Result {
	res := Result{Jobs: len(r.tasks), Unfit: r.unfit, PlanningSeconds: r.planning.Seconds()}
	n := float64(len(r.tasks))
	waits := make([]float64, 0, len(r.tasks))
	var last time.Duration
	used := make([]float64, len(r.Cluster.resources))
	for _, t := range r.tasks {
		wait := (t.start - t.submitted).Seconds()
		waits = append(waits, wait)
		res.MeanWait += wait / n
		res.MeanFlow += t.flow().Seconds() / n
		res.MaxFlow = math.Max(res.MaxFlow, t.flow().Seconds())
		res.MeanBoundedSlow += t.boundedSlowdown() / n
		last = max(last, t.end)
		for k, q := range t.request {
			used[k] += float64(q) * float64(t.pods) * t.Runtime.Seconds()
		}
	}
	slices.Sort(waits)
	res.P95Wait = waits[int(math.Ceil(0.95*n))-1]
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
	var e ETA
	var wrong []float64
	for _, t := range r.tasks {
		if t.promised.p50.IsZero() {
			continue
		}
		end := r.begin.Add(t.end)
		if !end.After(t.promised.p50) {
			e.CoverageP50++
		}
		if !end.After(t.promised.p90) {
			e.CoverageP90++
		}
		wrong = append(wrong, end.Sub(t.promised.p50).Abs().Seconds())
	}
	if len(wrong) == 0 {
		return e
	}
	e.CoverageP50 /= float64(len(wrong))
	e.CoverageP90 /= float64(len(wrong))
	slices.Sort(wrong)
	e.MedianAbsoluteError = wrong[(len(wrong)-1)/2]
	return e
}
