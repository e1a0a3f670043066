package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
)

func newExplain() *cobra.Command {
	var (
		jobs       jobSource
		server     remote
		namespace  string
		kubeconfig string
	)
	cmd := &cobra.Command{
		Use:     "explain (JOB | -f job.yaml | --csv FILE)",
		Short:   "Tell where the estimate of a job comes from",
		Long:    "Tell which past runs the estimate of a job rests on. JOB is read from the cluster.",
		GroupID: "people",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var specs []predictor.JobSpec
			if (len(args) == 0) == (jobs == jobSource{}) {
				return usagef(cmd, "expected either a JOB or --filename or --csv")
			}
			if len(args) == 1 {
				spec, err := clusterJob(cmd.Context(), kubeconfig, namespace, args[0])
				if err != nil {
					return err
				}
				specs = append(specs, spec)
			} else {
				var err error
				if specs, err = jobs.read(cmd); err != nil {
					return err
				}
			}
			client, err := server.dial(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			for i := range specs {
				x, err := client.Estimator().Explain(cmd.Context(), specs[i])
				if err != nil {
					return server.failed(err)
				}
				if err := printExplanation(cmd, &specs[i], x); err != nil {
					return err
				}
			}
			return nil
		},
	}
	jobs.flags(cmd)
	server.flags(cmd, "predictor")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "default", "namespace of JOB")
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig `file`; default as kubectl")
	return cmd
}

func printExplanation(cmd *cobra.Command, spec *predictor.JobSpec, x predictor.Explanation) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s\n\n", qualified(spec.Namespace, cmp.Or(spec.Name, spec.ID)))
	for _, line := range x.Text {
		fmt.Fprintf(out, "  %s\n", line)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\n  GROUP\tRUNS\tMEDIAN\tUSED\tKEY")
	for _, g := range x.Groups {
		used := ""
		if g.Used {
			used = "yes"
		}
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\t%.100s\n", g.Level, g.Samples, short(g.Median), used, g.Key)
	}
	if len(x.Past) > 0 {
		fmt.Fprintln(w, "\n  PAST RUN\tFINISHED\tRUNTIME\tPEAK MEMORY\tOUTCOME")
	}
	for _, p := range x.Past {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", p.Name, clock(p.Finished), short(p.Runtime), memory(p.PeakMemory), p.Outcome)
	}
	return w.Flush()
}
