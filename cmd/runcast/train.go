package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/train"
)

func newTrain() *cobra.Command {
	var (
		server remote
		path   string
		seed   uint64
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "train (--server ADDR | --store FILE)",
		Short: "Train once, and publish the model unless it is worse than the one in service",
		Long: `Read the history of a collector or of a store file, fit a model, judge it by a
walk-forward replay of the newest fifth beside the model in service, and publish
it unless it is worse there. Exit status 0 also if the model in service stays, or if
no job has run yet; what was decided, and why, is printed.`,
		GroupID: "processes",
		Args:    cobra.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("server") == (path != "") {
				return usagef(cmd, "expected either --server or --store")
			}
			var (
				history predictor.History
				models  predictor.Models
				failed  = server.failed
			)
			if path != "" {
				s, err := store.Open(path, store.Options{MustExist: true})
				if err != nil {
					return err
				}
				defer s.Close()
				history, models = s, s
				failed = func(err error) error { return fmt.Errorf("%s: %w", path, err) }
			} else {
				client, err := server.dial(cmd)
				if err != nil {
					return err
				}
				defer client.Close()
				history, models = client.History(), client.Models()
			}
			info, err := train.Train(cmd.Context(), history, models, train.Training{Seed: seed, Now: time.Now})
			published := err == nil
			switch {
			case errors.Is(err, train.ErrNothingToJudge):
				info.Reason = "nothing to train on yet: no job has run"
			case err != nil && !errors.Is(err, predictor.ErrNotBetter):
				return failed(err)
			}
			if asJSON {
				return printJSON(cmd, map[string]any{"published": published, "model": info})
			}
			if info.Version == "" {
				fmt.Fprintln(cmd.OutOrStdout(), info.Reason)
				return nil
			}
			verb := "published"
			if !published {
				verb = "did not publish"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s, trained on %d records from %s to %s\n%s\n", verb, info.Version, info.Records,
				clock(info.From), clock(info.To), info.Reason)
			return nil
		},
	}
	server.flags(cmd, "collector")
	cmd.Flags().Lookup("server").DefValue = "" // in the help: it has to be named to be the source
	cmd.Flags().StringVar(&path, "store", "", "bbolt `file` that no other process has open")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of random choices")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func newModels() *cobra.Command {
	var server remote
	var promote string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the trained models, or put another one into service",
		Long: `List the models that a collector keeps, the newest first, the one in service with a
star; or put another one into service. Predictors follow within seconds.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := server.dial(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			models := client.Models()
			if promote != "" {
				if err := models.Promote(cmd.Context(), promote); err != nil {
					return fmt.Errorf("promote %s: %w", promote, server.failed(err))
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s is in service\n", promote)
				return nil
			}
			list, err := models.List(cmd.Context())
			if err != nil {
				return server.failed(err)
			}
			if asJSON {
				return printJSON(cmd, map[string]any{"models": list})
			}
			if len(list) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "no model has been trained yet")
			}
			for _, m := range list {
				mark := " "
				if m.Champion {
					mark = "*"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s  %d records to %s  %s\n", mark, m.Version, m.Records, clock(m.To), m.Reason)
			}
			return nil
		},
	}
	server.flags(cmd, "collector")
	cmd.Flags().StringVar(&promote, "promote", "", "put this `version` into service; an older one rolls back")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.MarkFlagsMutuallyExclusive("json", "promote")
	return cmd
}
