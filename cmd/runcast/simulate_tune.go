package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/runcast/runcast/scheduler/sim"
)

// A tuning is what --tune tries, as it stands in the configuration of the scheduler.
type tuning struct {
	SizeExponent float64        `json:"size_exponent"`
	AgeingTime   model.Duration `json:"ageing_time"`
	Search       int            `json:"search"`
}

// tunings are a replay for each policy of the grid, the default first.
func tunings(predictor string) []simulation {
	var runs []simulation
	for _, p := range sim.Grid() {
		runs = append(runs, simulation{
			Policy: "runcast", Predictor: predictor, plan: p,
			Settings: &tuning{p.SizeExponent, model.Duration(p.AgeingTime), p.Search},
		})
	}
	return runs
}

// tune recommends one of the runs' settings.
func (c *comparison) tune() error {
	var rules [][]sim.Measures
	for _, r := range c.Runs {
		if r.samples == nil {
			return fmt.Errorf("%d jobs are too few to tell settings apart, see --windows and --seeds", r.Jobs)
		}
		rules = append(rules, r.samples)
	}
	c.Recommended = c.Runs[sim.Choose(rules)].Settings
	return nil
}

func printTuning(cmd *cobra.Command, c comparison) error {
	out := cmd.OutOrStdout()
	first := c.Runs[0]
	fmt.Fprintf(out, "%d jobs of %s on %s\nseconds, ± the 95 %% interval of the mean\n\n", first.Jobs, c.Trace, c.Cluster)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "size_exponent\tageing_time\tsearch\tmean flow\t\tagainst default\t\tp95 wait\tlargest flow\t")
	for _, r := range c.Runs {
		change, halfChange := "", ""
		if r.Settings != first.Settings {
			change, halfChange = fmt.Sprintf("%+.1f %%", r.Against.Mean), half(*r.Against, 1)
		}
		flow := r.MeanFlow
		if c.repeated {
			flow = r.Intervals.MeanFlow.Mean
		}
		fmt.Fprintf(w, "%g\t%v\t%d\t%.0f\t%s\t%s\t%s\t%.0f\t%.0f\t\n", r.Settings.SizeExponent, r.Settings.AgeingTime, r.Settings.Search,
			flow, half(r.Intervals.MeanFlow, 0), change, halfChange, r.P95Wait, r.MaxFlow)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	best := c.Recommended
	if best == first.Settings {
		_, err := fmt.Fprintf(out, "\nThe defaults may stay: no other settings were better by more than chance explains when the best of %d is taken.\n", len(c.Runs)-1)
		return err
	}
	_, err := fmt.Fprintf(out, "\nBetter than the defaults, by more than chance explains when the best of %d is taken:\n\nscheduler:\n  size_exponent: %g\n  ageing_time: %v\n  search: %d\n",
		len(c.Runs)-1, best.SizeExponent, best.AgeingTime, best.Search)
	return err
}
