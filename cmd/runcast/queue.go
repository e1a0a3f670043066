package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler/kube"
)

func newQueue() *cobra.Command {
	var (
		server     remote
		namespace  string
		asJSON     bool
		shares     bool
		releaseAll bool
		kubeconfig string
	)
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Show the jobs that wait, in planned order",
		Long: `Show the jobs that wait, in planned order, with when they are expected to start and
end, and why they wait; with --shares, what each queue has of the cluster, and what
jobs ask for that no node can run.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if releaseAll {
				client, err := kubeClient(kubeconfig)
				if err != nil {
					return err
				}
				n, err := kube.ReleaseAll(cmd.Context(), client, namespace)
				fmt.Fprintf(cmd.ErrOrStderr(), "released %d jobs\n", n)
				return err
			}
			client, err := server.dial(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			if shares {
				load, err := client.Queue().Load(cmd.Context())
				if err != nil {
					return server.failed(err)
				}
				return printLoad(cmd, load, asJSON)
			}
			entries, err := client.Queue().Waiting(cmd.Context(), namespace)
			if err != nil {
				return server.failed(err)
			}
			if asJSON {
				rows := make([]etaRow, len(entries))
				for i := range entries {
					rows[i] = newEtaRow(&entries[i])
				}
				return printJSON(cmd, map[string]any{"jobs": rows})
			}
			return printQueue(cmd.OutOrStdout(), entries)
		},
	}
	server.flags(cmd, "scheduler")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "", "only this namespace")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().BoolVar(&shares, "shares", false, "show the queues instead: their weights, shares and jobs, and the demand that no node can serve")
	cmd.Flags().BoolVar(&releaseAll, "release-all", false, "for emergencies: release every waiting job at once, through the API server alone")
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig `file` for --release-all; default as kubectl")
	cmd.MarkFlagsMutuallyExclusive("shares", "namespace")
	cmd.MarkFlagsMutuallyExclusive("shares", "release-all")
	cmd.MarkFlagsMutuallyExclusive("json", "release-all")
	return cmd
}

func newEta() *cobra.Command {
	var (
		server    remote
		namespace string
		asJSON    bool
	)
	cmd := &cobra.Command{
		Use:   "eta JOB",
		Short: "Tell when a job will start and end, and what it waits for",
		Long: `Tell when a job of the queue will start and end, at the median and at the 90th
percentile, and what it waits for.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := server.dial(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			e, err := client.Queue().ETA(cmd.Context(), namespace, args[0])
			if err != nil {
				return fmt.Errorf("%s/%s: %w", namespace, args[0], server.failed(err))
			}
			if asJSON {
				return printJSON(cmd, newEtaRow(&e))
			}
			place := "runs"
			if e.Position > 0 {
				place = fmt.Sprintf("waits at position %d of queue %s", e.Position, e.Queue)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n%s\nstart  %s, at the latest %s (p90)\nend    %s, at the latest %s (p90)\n",
				qualified(e.Namespace, e.Name), place, e.Decision, clock(e.StartP50), clock(e.StartP90), clock(e.EndP50), clock(e.EndP90))
			return nil
		},
	}
	server.flags(cmd, "scheduler")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "default", "namespace of JOB")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// An etaRow is a place in the plan as --json prints it; times that cannot be
// foreseen are left out.
type etaRow struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Queue     string    `json:"queue"`
	Position  int       `json:"position"`
	Submitted time.Time `json:"submitted"`
	StartP50  time.Time `json:"start_p50,omitzero"`
	StartP90  time.Time `json:"start_p90,omitzero"`
	EndP50    time.Time `json:"end_p50,omitzero"`
	EndP90    time.Time `json:"end_p90,omitzero"`
	Decision  string    `json:"decision"`
}

func newEtaRow(e *predictor.QueueEntry) etaRow {
	return etaRow{e.Namespace, e.Name, e.Queue, e.Position, e.Submitted, e.StartP50, e.StartP90, e.EndP50, e.EndP90, e.Decision}
}

func printQueue(out io.Writer, entries []predictor.QueueEntry) error {
	if len(entries) == 0 {
		fmt.Fprintln(out, "no job waits")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "POS\tJOB\tQUEUE\tRUNTIME P50\tSTART\tEND\tDECISION")
	for _, e := range entries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Position, qualified(e.Namespace, e.Name), e.Queue,
			short(e.Estimate.Runtime.P50), clock(e.StartP50), clock(e.EndP50), e.Decision)
	}
	return w.Flush()
}

// clock prints a time of the local zone, which it names, with the date unless it is today.
func clock(t time.Time) string {
	switch {
	case t.IsZero():
		return "unknown"
	case t.Local().Format(time.DateOnly) == time.Now().Format(time.DateOnly):
		return t.Local().Format("15:04:05 MST")
	default:
		return t.Local().Format("2006-01-02 15:04 MST")
	}
}
