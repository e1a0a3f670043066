package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector/promql"
	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor/rpc"
)

// A check is one line of doctor: what was found, and what mends it.
type check struct {
	subject string
	ok      bool
	finding string
	fix     string
}

func newDoctor(g *globals) *cobra.Command {
	var path, component string
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "Check the configuration, the cluster and Prometheus, and say what to mend",
		Long: `Check what Runcast needs and say what to mend: the configuration file, the API
server and this user's rights there, the metrics and labels in Prometheus, the
store. It changes nothing. Exit status 1 if something has to be mended.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return usagef(cmd, "expected --config FILE")
			}
			if !slices.Contains([]string{"collector", "predictor", "scheduler", "recommender", "up"}, component) {
				return usagef(cmd, "--component: expected collector, predictor, scheduler, recommender or up, got %q", component)
			}
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			checks := []check{{subject: "configuration", ok: true, finding: path}, checkServer(&cfg)}
			if component != "predictor" || cfg.Server.Authorization == "kubernetes" {
				checks = append(checks, checkKubernetes(ctx, &cfg, component)...)
			}
			if component != "predictor" && component != "scheduler" {
				checks = append(checks, checkPrometheus(ctx, g.log, &cfg)...)
			}
			if component == "collector" || component == "up" {
				checks = append(checks, checkStore(ctx, &cfg))
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			bad := 0
			for _, c := range checks {
				mark := "ok"
				if !c.ok {
					mark = "MEND"
					bad++
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", mark, c.subject, c.finding)
				if c.fix != "" {
					fmt.Fprintf(w, "\t\t-> %s\n", c.fix)
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d checks found something to mend", bad, len(checks))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration `file` (YAML)")
	cmd.Flags().StringVar(&component, "component", "up", "check what this `process` needs: collector, predictor, scheduler, recommender, or up, which is all")
	return cmd
}

// checkServer looks at the TLS files and whether the address may do without.
func checkServer(cfg *Config) check {
	c := check{subject: "gRPC server", ok: true, finding: "to listen on " + cfg.Server.Listen}
	if _, err := rpc.NewServer(cfg.server(), slog.New(slog.DiscardHandler), nil); err != nil {
		return check{subject: c.subject, finding: err.Error(), fix: "mend server in the configuration"}
	}
	return c
}

func checkPrometheus(ctx context.Context, log *slog.Logger, cfg *Config) []check {
	const subject = "Prometheus"
	switch {
	case cfg.Prometheus != nil:
	case cfg.Kubernetes.Disabled:
		return []check{{subject: subject, finding: errNoSource.Error()}}
	default:
		return []check{{subject: subject, ok: true, finding: "not configured: runtimes are learned, memory and GPU use are not", fix: "set prometheus.url"}}
	}
	source, err := promql.New(*cfg.Prometheus, log, nil)
	if err != nil {
		return []check{{subject: subject, finding: err.Error(), fix: "mend prometheus in the configuration"}}
	}
	var out []check
	for _, f := range source.Probe(ctx) {
		out = append(out, check{subject: subject + " " + f.Check, ok: f.Level != promql.Failed, finding: f.Found, fix: f.Fix})
	}
	return out
}

func checkStore(ctx context.Context, cfg *Config) check {
	c := check{subject: "store"}
	s, err := store.Open(cfg.Store.Path, store.Options{MustExist: true})
	switch {
	case errors.Is(err, store.ErrInUse):
		return check{subject: "store", ok: true, finding: cfg.Store.Path + " is in use by a running process"}
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(cfg.Store.Path)); err != nil {
			return check{subject: "store", finding: err.Error(), fix: "make the directory, or set store.path"}
		}
		return check{subject: "store", ok: true, finding: cfg.Store.Path + " will be made at the first start"}
	case err != nil:
		c.finding, c.fix = err.Error(), "move it away, or set store.path"
		return c
	}
	defer s.Close()
	n, err := s.Len(ctx)
	if err == nil {
		err = s.Check(ctx)
	}
	if err != nil {
		c.finding, c.fix = err.Error(), "restore a backup, or start with a new file: history comes back from Prometheus"
		return c
	}
	return check{subject: "store", ok: true, finding: fmt.Sprintf("%s holds %d records", cfg.Store.Path, n)}
}
