package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
)

func newPredict() *cobra.Command {
	var (
		jobs   jobSource
		server remote
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "predict (-f job.yaml | --csv FILE)",
		Short: "Estimate how long jobs will run and what they need",
		Long: `Estimate how long jobs will run and how much memory the largest of their pods will
use. p50 is as likely too low as too high, p90 is too low for one job in ten. RUNS is
how many finished jobs the estimate rests on; a cold start has none that are alike.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(0),
		Example: "  runcast predict -f job.yaml\n  kubectl get jobs -o yaml | runcast predict -f - --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			specs, err := jobs.read(cmd)
			if err != nil {
				return err
			}
			client, err := server.dial(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			estimates, err := client.Estimator().Estimate(cmd.Context(), specs)
			if err != nil {
				return server.failed(err)
			}
			if asJSON {
				return printJSON(cmd, map[string]any{"estimates": estimateRows(specs, estimates)})
			}
			return printEstimates(cmd.OutOrStdout(), specs, estimates)
		},
	}
	jobs.flags(cmd)
	server.flags(cmd, "predictor")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// An estimateRow is an estimate as --json prints it, units in the names.
type estimateRow struct {
	Namespace          string             `json:"namespace,omitempty"`
	Name               string             `json:"name,omitempty"`
	RuntimeSeconds     map[string]float64 `json:"runtime_seconds"`
	MeanRuntimeSeconds float64            `json:"mean_runtime_seconds"`
	PeakMemoryBytes    map[string]float64 `json:"peak_memory_bytes,omitempty"`
	MemoryRequestBytes predictor.Bytes    `json:"memory_request_bytes,omitempty"`
	PeakCPUCores       map[string]float64 `json:"peak_cpu_cores,omitempty"`
	PeakGPUMemoryBytes map[string]float64 `json:"peak_gpu_memory_bytes,omitempty"`
	GPUUtilization     map[string]float64 `json:"gpu_utilization,omitempty"`
	Source             string             `json:"source"`
	Samples            int                `json:"samples"`
	Cold               bool               `json:"cold"`
	Model              string             `json:"model"`
}

func estimateRows(specs []predictor.JobSpec, estimates []predictor.Estimate) []estimateRow {
	rows := make([]estimateRow, len(estimates))
	for i, e := range estimates {
		rows[i] = estimateRow{
			Namespace: specs[i].Namespace, Name: specs[i].Name,
			RuntimeSeconds:     levels(e.Runtime, time.Duration.Seconds),
			MeanRuntimeSeconds: e.MeanRuntime.Seconds(),
			PeakMemoryBytes:    levels(e.PeakMemory, float64Bytes),
			MemoryRequestBytes: e.MemoryRequest,
			PeakCPUCores:       levels(e.PeakCPU, predictor.Milli.Float64),
			PeakGPUMemoryBytes: levels(e.PeakGPUMemory, float64Bytes),
			GPUUtilization:     levels(e.GPUUtilization, predictor.Milli.Float64),
			Source:             e.Source, Samples: e.Samples, Cold: e.Cold, Model: e.Model,
		}
	}
	return rows
}

func float64Bytes(b predictor.Bytes) float64 { return float64(b) }

// levels names quantiles p10 to p99; nil if they are not known.
func levels[T ~int64](q predictor.Quantiles[T], number func(T) float64) map[string]float64 {
	if q.IsZero() {
		return nil
	}
	m := map[string]float64{}
	for i, v := range q.Values() {
		m[fmt.Sprintf("p%.0f", 100*predictor.Levels[i])] = number(v)
	}
	return m
}

func printEstimates(out io.Writer, specs []predictor.JobSpec, estimates []predictor.Estimate) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tRUNTIME P50\tP90\tMEMORY P50\tP90\tREQUEST\tRUNS\tFROM")
	for i, e := range estimates {
		from := e.Source
		if e.Cold {
			from += " (cold start)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", qualified(specs[i].Namespace, cmp.Or(specs[i].Name, specs[i].ID)),
			short(e.Runtime.P50), short(e.Runtime.P90), memory(e.PeakMemory.P50), memory(e.PeakMemory.P90), memory(e.MemoryRequest), e.Samples, from)
	}
	return w.Flush()
}

func qualified(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// short prints a duration to the second, without zero units at its end.
func short(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d == 0:
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
}

func memory(b predictor.Bytes) string {
	if b == 0 {
		return "-"
	}
	return b.String()
}
