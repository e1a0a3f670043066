package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// importBatch is how many records one transaction holds.
const importBatch = 5000

// traceFlags say how strictly a history file is read.
func traceFlags(cmd *cobra.Command) *trace.Options {
	var o trace.Options
	cmd.Flags().BoolVar(&o.IgnoreUnknown, "ignore-unknown", false, "skip unknown columns of a CSV instead of refusing the file")
	cmd.Flags().BoolVar(&o.SkipBadRows, "skip-bad-rows", false, "count rows that do not parse instead of ending at the first")
	return &o
}

// reportSkipped tells on stderr which rows of a file were left out.
func reportSkipped(cmd *cobra.Command, r *trace.Reader) {
	n, first := r.Skipped()
	for _, err := range first {
		fmt.Fprintf(cmd.ErrOrStderr(), "skipped: %v\n", err)
	}
	if n > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "skipped %d bad rows\n", n)
	}
}

// readTrace reads a whole history file.
func readTrace(cmd *cobra.Command, path string, o trace.Options) ([]predictor.JobRecord, error) {
	r, err := trace.Open(path, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	reportSkipped(cmd, r)
	return records, nil
}

func newImport() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "import --store FILE TRACE...",
		Short:   "Add histories from SWF or CSV files to a store",
		Long:    "Add histories from SWF (.swf, .swf.gz) or job-history CSV (.csv, .csv.gz) files to a store,\nwhich is made if it does not exist. Importing a file twice changes nothing.",
		GroupID: "people",
		Args:    cobra.MinimumNArgs(1),
	}
	options := traceFlags(cmd)
	cmd.Flags().StringVar(&path, "store", "runcast.bolt", "bbolt `file`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := store.Open(path, store.Options{})
		if err != nil {
			return err
		}
		defer s.Close()
		for _, file := range args {
			read, stored, err := importFile(cmd, s, file, *options)
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d records read, %d new or better\n", file, read, stored)
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func importFile(cmd *cobra.Command, h predictor.History, path string, o trace.Options) (read, stored int, err error) {
	r, err := trace.Open(path, o)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	batch := make([]predictor.JobRecord, 0, importBatch)
	flush := func() error {
		n, err := h.Put(cmd.Context(), batch)
		read, stored = read+len(batch), stored+n
		batch = batch[:0]
		return err
	}
	for record, err := range r.Records() {
		if err != nil {
			return read, stored, err
		}
		if batch = append(batch, record); len(batch) == importBatch {
			if err := flush(); err != nil {
				return read, stored, err
			}
		}
	}
	reportSkipped(cmd, r)
	return read, stored, flush()
}

func newExport() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "export --store FILE [FILE.csv]",
		Short:   "Write a store's history as job-history CSV",
		Long:    "Write a store's history as job-history CSV to a file, or to stdout. Importing it again loses\nnothing of the known columns.",
		GroupID: "people",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := store.Open(path, store.Options{MustExist: true})
			if err != nil {
				return err
			}
			defer s.Close()
			if len(args) == 0 {
				return export(cmd.Context(), cmd.OutOrStdout(), s)
			}
			f, err := os.Create(args[0])
			if err != nil {
				return err
			}
			if err := export(cmd.Context(), f, s); err != nil {
				f.Close()
				return err
			}
			return f.Close()
		},
	}
	cmd.Flags().StringVar(&path, "store", "runcast.bolt", "bbolt `file`")
	return cmd
}

func export(ctx context.Context, out io.Writer, h predictor.History) error {
	w := bufio.NewWriter(out)
	if _, err := trace.Export(ctx, w, h, time.Time{}, time.Time{}); err != nil {
		return err
	}
	return w.Flush()
}
