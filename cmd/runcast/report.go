package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/report"
	"github.com/runcast/runcast/predictor/train"
)

func newReport() *cobra.Command {
	var (
		o         = train.Options{Now: time.Now}
		server    remote
		path, out string
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
	options := traceFlags(cmd)
	server.flags(cmd, "collector")
	cmd.Flags().StringVar(&path, "store", "", "bbolt `file` that no other process has open")
	cmd.Flags().StringVarP(&out, "output", "o", "report.html", "`file` to write")
	cmd.Flags().Float64Var(&o.Start, "start", 0.2, "share of the submissions that only teach; the later ones are judged")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of random choices")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sources := len(args)
		for _, flag := range []string{"store", "server"} {
			if cmd.Flags().Changed(flag) {
				sources++
			}
		}
		if sources != 1 {
			return usagef(cmd, "expected either a TRACE, --store or --server")
		}
		if !(o.Start >= 0 && o.Start < 1) {
			return usagef(cmd, "--start: %v is not from 0 to below 1", o.Start)
		}
		var (
			records []predictor.JobRecord
			from    string
			err     error
		)
		switch {
		case len(args) == 1:
			from = args[0]
			records, err = readTrace(cmd, from, *options)
		case path != "":
			from = path
			records, err = readStore(cmd.Context(), path)
		default:
			from = server.server
			records, err = readServer(cmd, &server)
		}
		if err != nil {
			return err
		}
		r, err := report.New(filepath.Base(from), records, o)
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
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
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d jobs of %s judged\n", out, r.Runtime.Jobs, from)
		return nil
	}
	return cmd
}

func readStore(ctx context.Context, path string) ([]predictor.JobRecord, error) {
	s, err := store.Open(path, store.Options{MustExist: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return readHistory(ctx, s)
}

func readServer(cmd *cobra.Command, server *remote) ([]predictor.JobRecord, error) {
	client, err := server.dial(cmd)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	records, err := readHistory(cmd.Context(), client.History())
	if err != nil {
		return nil, server.failed(err)
	}
	return records, nil
}

// readHistory reads all records of a history into memory.
func readHistory(ctx context.Context, h predictor.History) ([]predictor.JobRecord, error) {
	var records []predictor.JobRecord
	for e, err := range h.Records(ctx, time.Time{}, time.Time{}) {
		if err != nil {
			return nil, err
		}
		records = append(records, e.JobRecord)
	}
	return records, nil
}
