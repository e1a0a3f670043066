package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
		Use:   "import --store FILE TRACE...",
		Short: "Add histories from SWF or CSV files to a store",
		Long: `Add histories from SWF (.swf, .swf.gz) or job-history CSV (.csv, .csv.gz) files to a
store, which is made if it does not exist. Importing a file twice changes nothing.
A collector on this store removes what is older than its store.max_age.`,
		GroupID: "people",
		Args:    cobra.MinimumNArgs(1),
	}
	options := traceFlags(cmd)
	cmd.Flags().StringVar(&path, "store", "runcast.bolt", "bbolt `file`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var files []*trace.Reader // all open before the first is stored: what is misnamed changes nothing
		for _, file := range args {
			r, err := trace.Open(file, *options)
			if err != nil {
				return err
			}
			defer r.Close()
			files = append(files, r)
		}
		s, err := store.Open(path, store.Options{})
		if err != nil {
			return err
		}
		defer s.Close()
		for i, r := range files {
			read, stored, err := importFile(cmd.Context(), s, r)
			reportSkipped(cmd, r)
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d records read, %d new or better\n", args[i], read, stored)
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func importFile(ctx context.Context, h predictor.History, r *trace.Reader) (read, stored int, err error) {
	batch := make([]predictor.JobRecord, 0, importBatch)
	flush := func() error {
		n, err := h.Put(ctx, batch)
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
	return read, stored, flush()
}

func newExport() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "export --store FILE [FILE.csv]",
		Short: "Write a store's history as job-history CSV",
		Long: `Write a store's history as job-history CSV to a file (.csv, or .csv.gz to compress
it), or to stdout. Importing it again loses nothing of the known columns.`,
		GroupID: "people",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !strings.HasSuffix(strings.TrimSuffix(args[0], ".gz"), ".csv") {
				return usagef(cmd, "%s: expected a name that ends in .csv or .csv.gz", args[0])
			}
			s, err := store.Open(path, store.Options{MustExist: true})
			if err != nil {
				return err
			}
			defer s.Close()
			if len(args) == 0 {
				return export(cmd.Context(), cmd.OutOrStdout(), s)
			}
			return exportFile(cmd.Context(), args[0], s)
		},
	}
	cmd.Flags().StringVar(&path, "store", "runcast.bolt", "bbolt `file`")
	return cmd
}

// exportFile writes beside path and renames: path never holds half a history.
func exportFile(ctx context.Context, path string, h predictor.History) (err error) {
	part := path + ".part"
	f, err := os.Create(part)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	var out io.Writer = f
	var z *gzip.Writer
	if strings.HasSuffix(path, ".gz") {
		z = gzip.NewWriter(f)
		out = z
	}
	err = export(ctx, out, h)
	if z != nil {
		err = errors.Join(err, z.Close())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}

func export(ctx context.Context, out io.Writer, h predictor.History) error {
	w := bufio.NewWriter(out)
	if _, err := trace.Export(ctx, w, h, time.Time{}, time.Time{}); err != nil {
		return err
	}
	return w.Flush()
}
