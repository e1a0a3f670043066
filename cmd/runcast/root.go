package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes; scripts depend on them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run is the program: it returns the exit code. Results go to stdout, everything
// else to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot() //nolint:contextcheck // each command gets its context from ExecuteContext
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "runcast: %v\nusage: %s\nrun '%s --help' for more\n", err, usage.command.UseLine(), usage.command.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(stderr, "runcast: %v\n", err)
		return exitFailed
	}
}

// A usageError is the caller's mistake on the command line.
type usageError struct {
	command *cobra.Command
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd, fmt.Errorf(format, args...)}
}

// globals are the flags that every subcommand takes.
type globals struct {
	logLevel  slog.LevelVar
	logFormat string
	log       *slog.Logger // as the flags say; set before a subcommand runs
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "runcast",
		Short: "Predict how long jobs run and what they need, and finish them sooner",
		Long: `Runcast learns from finished Kubernetes jobs how long the next one will run and
how much memory it will need, and uses that to finish all jobs sooner.

Start with 'runcast doctor --config FILE' to see what your cluster and your
Prometheus offer, and with 'runcast up --config FILE' to run everything in one
process. 'runcast backtest TRACE' shows how good the estimates are on a history
of your own.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       buildVersion(),
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			g.log, err = g.logger(cmd)
			return err
		},
	}
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl-") {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl runcast"}
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.PersistentFlags().TextVar(&g.logLevel, "log-level", &g.logLevel, "least severe `level` to log: debug, info, warn or error")
	root.PersistentFlags().StringVar(&g.logFormat, "log-format", "text", "`format` of the log on stderr: text or json")
	root.AddGroup(
		&cobra.Group{ID: "processes", Title: "Processes:"},
		&cobra.Group{ID: "people", Title: "For people:"},
	)
	root.AddCommand(
		newUp(g), newCollector(g), newPredictor(g), newScheduler(g), newRecommender(g), newTrain(),
		newPredict(), newExplain(), newEta(), newQueue(), newModels(),
		newBacktest(), newReport(), newSimulate(), newImport(), newExport(), newBackup(), newRestore(), newDoctor(g),
	)
	root.SetHelpCommand(newHelp())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	root.Args = usageArgs(root.Args)
	return root
}

// newHelp is cobra's help, but an unknown command is a usage error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(cmd, "unknown command %q", strings.Join(args, " "))
			}
			return about.Help()
		},
	}
}

// buildVersion is what the Go tool stamped into the binary.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// usageArgs makes usage errors of a wrong number of arguments, and of flags that exclude
// each other.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cmp.Or(check(cmd, args), cmd.ValidateFlagGroups()); err != nil {
			return &usageError{cmd, err}
		}
		return nil
	}
}

// logger writes to the command's stderr as the flags say.
func (g *globals) logger(cmd *cobra.Command) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: &g.logLevel}
	switch g.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), opts)), nil
	}
	return nil, usagef(cmd, "--log-format: %q is neither text nor json", g.logFormat)
}

// printJSON prints exactly one JSON object on stdout.
func printJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
