package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
)

// A shareRow is a queue's share as --json prints it.
type shareRow struct {
	Queue    string  `json:"queue"`
	Weight   float64 `json:"weight,omitzero"`
	Share    float64 `json:"share"`
	Resource string  `json:"resource,omitzero"`
	Running  int     `json:"running"`
	Waiting  int     `json:"waiting"`
}

// A demandRow is what no node can run as --json prints it: cores, bytes, or numbers of
// other resources.
type demandRow struct {
	Pods    int                `json:"pods"`
	Request map[string]float64 `json:"request"`
}

// printLoad shows what queues have of the cluster.
func printLoad(cmd *cobra.Command, load predictor.QueueLoad, asJSON bool) error {
	if asJSON {
		shares, demands := make([]shareRow, len(load.Shares)), make([]demandRow, len(load.Unserved))
		for i, s := range load.Shares {
			shares[i] = shareRow(s)
		}
		for i, d := range load.Unserved {
			demands[i] = demandRow(d)
		}
		return printJSON(cmd, map[string]any{"queues": shares, "unserved": demands})
	}
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUEUE\tWEIGHT\tSHARE\tOF\tRUNNING\tWAITING")
	for _, s := range load.Shares {
		weight := "-"
		if s.Weight > 0 {
			weight = strconv.FormatFloat(s.Weight, 'g', 4, 64)
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f%%\t%s\t%d\t%d\n", s.Queue, weight, 100*s.Share, s.Resource, s.Running, s.Waiting)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, d := range load.Unserved {
		fmt.Fprintf(out, "no node can run %d pods of %s\n", d.Pods, requestText(d.Request))
	}
	return nil
}

// requestText lists what a pod asks for: "2 cpu, 16GiB memory, 8 nvidia.com/gpu".
func requestText(request map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(request)) {
		amount := strconv.FormatFloat(request[name], 'f', -1, 64)
		if name == "memory" {
			amount = predictor.Bytes(request[name]).String()
		}
		parts = append(parts, amount+" "+name)
	}
	return strings.Join(parts, ", ")
}
