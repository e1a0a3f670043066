package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor/report"
	"github.com/runcast/runcast/predictor/train"
)

func newReport() *cobra.Command {
	var (
		o    = train.Options{Now: time.Now}
		from source
		out  string
	)
	cmd := &cobra.Command{
		Use:   "report (TRACE | --store FILE | --server ADDR)",
		Short: "Draw how good the estimates are on a history, as one HTML page",
		Long: `Replay a history, as backtest does, and draw what would have been predicted beside
simple rules and what the users asked for: errors, whether the quantiles hold, memory
wasted against jobs killed for it, the largest groups and the worst. The page is one
file of HTML that needs nothing else: no script, no font, no network.`,
		GroupID: "people",
		Args:    cobra.MaximumNArgs(1),
	}
	from.flags(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "report.html", "`file` to write")
	cmd.Flags().Float64Var(&o.Start, "start", 0.2, "share of the submissions that only teach; the later ones are judged")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of random choices")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := from.check(cmd, args); err != nil {
			return err
		}
		if !(o.Start >= 0 && o.Start < 1) {
			return usagef(cmd, "--start: %v is not from 0 to below 1", o.Start)
		}
		records, name, err := from.read(cmd, args)
		if err != nil {
			return err
		}
		r, err := report.New(filepath.Base(name), records, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f, err := os.Create(out)
		if err != nil {
			return err
		}
		if err := r.WriteHTML(f); err != nil {
			f.Close()
			return fmt.Errorf("%s: %w", out, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d jobs of %s judged\n", out, r.Runtime.Jobs, name)
		return nil
	}
	return cmd
}
