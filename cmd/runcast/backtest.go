package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor/train"
)

func newBacktest() *cobra.Command {
	var (
		o            = train.Options{Now: time.Now}
		target       string
		startSeconds float64
		asJSON       bool
		from         source
	)
	cmd := &cobra.Command{
		Use:   "backtest (TRACE | --store FILE | --server ADDR)",
		Short: "Measure the estimates on a history, beside simple rules",
		Long: `Replay a history and measure what would have been predicted for each job at its
submission, from the jobs that had finished by then, beside what simple rules
would have said:

  request     the runtime limit (key_median where there is none)
  last2       mean of the user's last two finished runtimes
  key_median  median of the last ten finished runs of the same user and name
  hierarchy   median of the last sixteen of the finest group, capped at the limit

where a job's name is its family, else its owner, else its own without the suffix
that Kubernetes generates; and what lies within reach:

  hindsight   the best constants of the finest group of at least ten judged jobs,
              chosen with all that came of them known

What goes by the group alone does no better, unless the group changes over time.

For --target memory the jobs are also run with what was to be requested, and with
more after each OOM kill, up to the largest amount in the history. The rules are

  request     what the user asked for
  max102      the largest peak in the group so far × 1.02
  q99x102     its 99th percentile × 1.02
  hindsight   the percentile of the peaks to come that wastes least

GBh wasted is what was allocated and not used, and all of what was allocated to
attempts that were killed, at worst at their end.`,
		GroupID: "people",
		Args:    cobra.MaximumNArgs(1),
	}
	from.flags(cmd)
	cmd.Flags().Float64Var(&o.Start, "start", 0.2, "share of the submissions that only teach; the later ones are judged")
	cmd.Flags().Float64Var(&startSeconds, "start-seconds", 0, "judge the jobs submitted at or after this Unix time, instead of --start")
	cmd.Flags().StringVar(&target, "target", "runtime", "what to judge: runtime or memory")
	cmd.Flags().BoolVar(&o.ByGroup, "by-group", false, "report each (namespace or queue, user, name) as well")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of random choices")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := from.check(cmd, args); err != nil {
			return err
		}
		o.Target = train.Target(target)
		if o.Target != train.Runtime && o.Target != train.Memory {
			return usagef(cmd, "--target: %q is neither runtime nor memory", target)
		}
		if !(o.Start >= 0 && o.Start < 1) {
			return usagef(cmd, "--start: %v is not from 0 to below 1", o.Start)
		}
		if cmd.Flags().Changed("start-seconds") {
			if !(math.Abs(startSeconds) < 1e12) { // NaN as well
				return usagef(cmd, "--start-seconds: %v is no Unix time", startSeconds)
			}
			whole, fraction := math.Modf(startSeconds)
			o.From = time.Unix(int64(whole), int64(fraction*1e9))
		}
		records, name, err := from.read(cmd, args)
		if err != nil {
			return err
		}
		o.Trace = filepath.Base(name)
		report, err := train.Backtest(records, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if asJSON {
			return printJSON(cmd, report)
		}
		return printReport(cmd, report)
	}
	return cmd
}

func printReport(cmd *cobra.Command, r train.Report) error {
	out := cmd.OutOrStdout()
	unit, scale := "s", 1.0
	if r.Target == train.Memory {
		unit, scale = "MiB", 1<<20
	}
	fmt.Fprintf(out, "%s of %d jobs of %s; errors in %s\n\n", r.Target, r.Jobs, r.Trace, unit)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "predictor\tMAE\tmedian\twithin 2x\tpinball p50\tp90\tcovers p50\tp90\tranks right\t")
	if r.Target == train.Memory {
		fmt.Fprint(w, "GBh wasted\tfirst fails\tattempts\t")
	}
	fmt.Fprintln(w)
	names := slices.SortedFunc(maps.Keys(r.Predictors), func(a, b string) int {
		return cmp.Or(cmp.Compare(cost(r.Predictors[a]), cost(r.Predictors[b])), cmp.Compare(a, b))
	})
	line := func(name string, m train.Metrics) {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f%%\t%.1f\t%.1f\t%.1f%%\t%.1f%%\t%.3f\t", name, m.MAE/scale, m.MedAE/scale,
			100*m.Within2x, m.PinballP50/scale, m.PinballP90/scale, 100*m.CoverageP50, 100*m.CoverageP90, m.Concordance)
		if m.MemoryMetrics != nil {
			fmt.Fprintf(w, "%.1f\t%.2f%%\t%.3f\t", m.WastageGBh, 100*m.FirstAttemptFailures, m.Attempts)
		}
		fmt.Fprintln(w)
	}
	for _, name := range names {
		line(name, r.Predictors[name])
	}
	line("hindsight", r.Hindsight)
	if err := w.Flush(); err != nil {
		return err
	}
	if err := printGroups(cmd, r, unit, scale); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nlearned in %.1f s, %.1f microseconds an estimate\n", r.FitSeconds, r.PredictMicroseconds)
	return nil
}

// cost is what the best predictor has least of: wasted memory, else the loss at p90.
func cost(m train.Metrics) float64 {
	if m.MemoryMetrics != nil {
		return m.WastageGBh
	}
	return m.PinballP90
}

// mostGroups is how many groups are printed for people; JSON has them all.
const mostGroups = 40

// printGroups prints what runcast reached in the largest groups, beside the baseline
// of the smallest MAE there, or of the least wasted memory.
func printGroups(cmd *cobra.Command, r train.Report, unit string, scale float64) error {
	if len(r.Groups) == 0 {
		return nil
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "\nthe largest of %d groups\n\n", len(r.Groups))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if r.Target == train.Memory {
		printMemoryGroups(w, r)
		return w.Flush()
	}
	fmt.Fprintln(w, "jobs\tMAE\tbest rule\thindsight\twithin 2x\tpinball p90\tcovers p50\tp90\t  group")
	for _, g := range r.Groups[:min(len(r.Groups), mostGroups)] {
		m, best := g.Predictors[train.Runcast], bestRule(g.Predictors, func(m train.Metrics) float64 { return m.MAE })
		fmt.Fprintf(w, "%d\t%.1f %s\t%.1f %s\t%.1f %s\t%.1f%%\t%.1f\t%.1f%%\t%.1f%%\t  %s\n", g.Jobs, m.MAE/scale, unit,
			g.Predictors[best].MAE/scale, best, g.Hindsight.MAE/scale, unit, 100*m.Within2x, m.PinballP90/scale, 100*m.CoverageP50, 100*m.CoverageP90, g.GroupName)
	}
	return w.Flush()
}

func printMemoryGroups(w io.Writer, r train.Report) {
	fmt.Fprintln(w, "jobs\tGBh wasted\tbest rule\thindsight\tfirst fails\tbest rule\tcovers p90\t  group")
	for _, g := range r.Groups[:min(len(r.Groups), mostGroups)] {
		m, best := g.Predictors[train.Runcast], bestRule(g.Predictors, cost)
		rule := g.Predictors[best]
		fmt.Fprintf(w, "%d\t%.3f\t%.3f %s\t%.3f\t%.2f%%\t%.2f%%\t%.1f%%\t  %s\n", g.Jobs, m.WastageGBh, rule.WastageGBh, best, g.Hindsight.WastageGBh,
			100*m.FirstAttemptFailures, 100*rule.FirstAttemptFailures, 100*m.CoverageP90, g.GroupName)
	}
}

// bestRule is the name of the baseline that has least of a loss.
func bestRule(predictors map[string]train.Metrics, loss func(train.Metrics) float64) (best string) {
	for _, name := range slices.Sorted(maps.Keys(predictors)) {
		if name != train.Runcast && (best == "" || loss(predictors[name]) < loss(predictors[best])) {
			best = name
		}
	}
	return best
}
