package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// A source is where a command reads a whole history from: a file, a store, or a
// collector.
type source struct {
	options *trace.Options
	path    string
	server  remote
}

func (s *source) flags(cmd *cobra.Command) {
	s.options = traceFlags(cmd)
	s.server.flags(cmd, "collector")
	cmd.Flags().StringVar(&s.path, "store", "", "bbolt `file` that no other process has open")
	cmd.Flags().Lookup("server").DefValue = "" // in the help: it has to be named to be the source
}

// check is a usage error unless exactly one source is named.
func (s *source) check(cmd *cobra.Command, args []string) error {
	sources := len(args)
	for _, flag := range []string{"store", "server"} {
		if cmd.Flags().Changed(flag) {
			sources++
		}
	}
	if sources != 1 {
		return usagef(cmd, "expected either a TRACE, --store or --server")
	}
	return nil
}

// read returns all records, and what names the source.
func (s *source) read(cmd *cobra.Command, args []string) (records []predictor.JobRecord, from string, err error) {
	switch {
	case len(args) == 1:
		records, err = readTrace(cmd, args[0], *s.options)
		return records, args[0], err
	case s.path != "":
		records, err = readStore(cmd.Context(), s.path)
		return records, s.path, err
	}
	records, err = readServer(cmd, &s.server)
	return records, s.server.server, err
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
