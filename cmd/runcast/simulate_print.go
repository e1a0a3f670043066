package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/scheduler"
	"github.com/runcast/runcast/scheduler/sim"
)

// A simulation is what simulate prints of one policy.
type simulation struct {
	Trace     string `json:"trace"`
	Policy    string `json:"policy"`
	Predictor string `json:"predictor"`
	// Settings are what --tune tries.
	Settings *tuning `json:"settings,omitempty"`
	sim.Result
	Intervals *sim.Intervals `json:"intervals,omitempty"` // nil if there are fewer jobs than windows
	// Against is by how many percent the mean flow time is above that of the first policy.
	Against *sim.Interval `json:"against_first_percent,omitempty"`

	plan    scheduler.Policy // zero: the default
	samples []sim.Measures
}

// A comparison is what simulate prints of several policies.
type comparison struct {
	Trace      string       `json:"trace"`
	Cluster    string       `json:"cluster"`
	RightSized bool         `json:"right_sized"`
	Runs       []simulation `json:"runs"`
	// Recommended are the best of the settings, if --tune tried any: those of the first run
	// unless others are better by more than chance explains.
	Recommended *tuning `json:"recommended,omitempty"`

	repeated bool // intervals are over repetitions, which have means of their own
}

func printSimulation(cmd *cobra.Command, s simulation) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%d jobs of %s, policy %s, predictor %s\n\n", s.Jobs, s.Trace, s.Policy, s.Predictor)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	seconds := func(name string, x float64, between *sim.Interval) {
		fmt.Fprintf(w, "%s\t%.0f s", name, x)
		if between != nil {
			fmt.Fprintf(w, "\t95 %% between %.0f and %.0f", between.Low, between.High)
		}
		fmt.Fprintln(w)
	}
	var flow, wait *sim.Interval
	if s.Intervals != nil {
		flow, wait = &s.Intervals.MeanFlow, &s.Intervals.MeanWait
	}
	seconds("mean flow time", s.MeanFlow, flow)
	fmt.Fprintf(w, "no schedule is below\t%.0f s\t%.1f %% less\n", s.LowerBound, 100*max(0, 1-s.LowerBound/s.MeanFlow)) // not -0.0
	seconds("largest flow time", s.MaxFlow, nil)
	seconds("mean wait", s.MeanWait, wait)
	seconds("95th percentile of waits", s.P95Wait, nil)
	fmt.Fprintf(w, "mean bounded slowdown\t%.2f\n", s.MeanBoundedSlow)
	seconds("makespan", s.Makespan, nil)
	fmt.Fprintf(w, "utilization\t%.1f%%\n", 100*s.Utilization)
	foretold := func(name string, f sim.Foretold) {
		if f.Jobs > 0 {
			fmt.Fprintf(w, "%s\t%.1f %% by the p50, %.1f %% by the p90\tof %d jobs, median error %.0f s\n", name, 100*f.CoverageP50, 100*f.CoverageP90, f.Jobs, f.MedianAbsoluteError)
		}
	}
	foretold("ended as foretold", s.ETA.Foretold)
	foretold("started as foretold", s.ETA.Start)
	if s.MissedDeadlines > 0 {
		fmt.Fprintf(w, "deadline missed\t%d jobs\n", s.MissedDeadlines)
	}
	if s.Retried > 0 {
		fmt.Fprintf(w, "killed for memory\t%d jobs\n", s.Retried)
	}
	if s.Unfit > 0 {
		fmt.Fprintf(w, "left out, fit no node\t%d jobs\n", s.Unfit)
	}
	return w.Flush()
}

func printComparison(cmd *cobra.Command, c comparison) error {
	out := cmd.OutOrStdout()
	first := c.Runs[0]
	fmt.Fprintf(out, "%d jobs of %s on %s\n", first.Jobs, c.Trace, c.Cluster)
	fmt.Fprintf(out, "seconds, ± the 95 %% interval of the mean; no schedule has a mean flow time below %.0f s\n\n", first.LowerBound)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "policy\tpredictor\tmean flow\t\tagainst %s\t\tmean wait\t\tp95 wait\tlargest flow\tslowdown\t", first.Policy)
	if c.RightSized {
		fmt.Fprint(w, "killed for memory\t")
	}
	fmt.Fprintln(w)
	for _, r := range c.Runs {
		flow, wait, halfFlow, halfWait := r.MeanFlow, r.MeanWait, "", ""
		if i := r.Intervals; i != nil {
			halfFlow, halfWait = half(i.MeanFlow, 0), half(i.MeanWait, 0)
			if c.repeated {
				flow, wait = i.MeanFlow.Mean, i.MeanWait.Mean
			}
		}
		change, halfChange := "", ""
		if r.Against != nil {
			change, halfChange = fmt.Sprintf("%+.1f %%", r.Against.Mean), half(*r.Against, 1)
		}
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%s\t%s\t%.0f\t%s\t%.0f\t%.0f\t%.1f\t", r.Policy, r.Predictor, flow, halfFlow, change, halfChange,
			wait, halfWait, r.P95Wait, r.MaxFlow, r.MeanBoundedSlow)
		if c.RightSized {
			fmt.Fprintf(w, "%d jobs\t", r.Retried)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// half is how far an interval reaches from its mean.
func half(i sim.Interval, digits int) string { return fmt.Sprintf("± %.*f", digits, i.High-i.Mean) }
