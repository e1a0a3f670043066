package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/scheduler/sim"
)

func newSimulate() *cobra.Command {
	var (
		processors, limit int
		nodes             string
		policy, estimates string
		drain, asJSON     bool
		seed              uint64
	)
	cmd := &cobra.Command{
		Use:   "simulate TRACE (--procs N | --nodes FILE)",
		Short: "Replay a history through a scheduling policy",
		Long: `Replay the jobs of a history on a cluster in simulated time. The policy runcast is
the very plan that the scheduler carries out in a cluster; the others are classic
rules to compare with.

  policies:   ` + strings.Join(sim.Policies, ", ") + `
  predictors: oracle, request, last2, noise:SIGMA, runcast (learns as the replay goes)`,
		GroupID: "people",
		Args:    cobra.ExactArgs(1),
	}
	options := traceFlags(cmd)
	f := cmd.Flags()
	f.IntVar(&processors, "procs", 0, "number of equal processors, without placement")
	f.StringVar(&nodes, "nodes", "", "YAML `file`: a list of {name, count, cpu_cores, memory_bytes, gpus, gpu_model, labels}")
	f.StringVar(&policy, "policy", "runcast", "scheduling policy")
	f.StringVar(&estimates, "predictor", "runcast", "where runtimes come from")
	f.BoolVar(&drain, "drain", false, "submit all jobs at time 0")
	f.IntVar(&limit, "jobs", 0, "only the first `N` jobs; 0 takes all")
	f.Uint64Var(&seed, "seed", 1, "seed of random choices")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (processors > 0) == (nodes != "") {
			return usagef(cmd, "expected either --procs with a positive number, or --nodes")
		}
		if !slices.Contains(sim.Policies, policy) {
			return usagef(cmd, "--policy: %q is not one of %s", policy, strings.Join(sim.Policies, ", "))
		}
		if limit < 0 {
			return usagef(cmd, "--jobs: expected a number of at least 0, got %d", limit)
		}
		cluster, err := simulatedCluster(processors, nodes)
		if err != nil {
			return err
		}
		var source sim.Predictor = &learner{model: model.New(seed)}
		if estimates != "runcast" {
			if source, err = sim.NewPredictor(estimates, seed); err != nil {
				return usagef(cmd, "--predictor: %w", err)
			}
		}
		records, err := readTrace(cmd, args[0], *options)
		if err != nil {
			return err
		}
		jobs := sim.FromRecords(records)
		if limit > 0 {
			jobs = jobs[:min(limit, len(jobs))]
		}
		if drain {
			jobs = sim.Drained(jobs)
		}
		result, err := sim.Run(sim.Config{Cluster: cluster, Jobs: jobs, Policy: policy, Predictor: source, Clock: time.Now})
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if result.LowerBound, err = sim.LowerBound(cluster, jobs); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		r := simulation{filepath.Base(args[0]), policy, estimates, result}
		if asJSON {
			return printJSON(cmd, r)
		}
		return printSimulation(cmd, r)
	}
	return cmd
}

// A simulation is what simulate prints.
type simulation struct {
	Trace     string `json:"trace"`
	Policy    string `json:"policy"`
	Predictor string `json:"predictor"`
	sim.Result
}

func printSimulation(cmd *cobra.Command, s simulation) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%d jobs of %s, policy %s, predictor %s\n\n", s.Jobs, s.Trace, s.Policy, s.Predictor)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	seconds := func(name string, x float64) {
		fmt.Fprintf(w, "%s\t%.0f s\n", name, x)
	}
	seconds("mean flow time", s.MeanFlow)
	seconds("no schedule is below", s.LowerBound)
	seconds("largest flow time", s.MaxFlow)
	seconds("mean wait", s.MeanWait)
	seconds("95th percentile of waits", s.P95Wait)
	fmt.Fprintf(w, "mean bounded slowdown\t%.2f\n", s.MeanBoundedSlow)
	seconds("makespan", s.Makespan)
	fmt.Fprintf(w, "utilization\t%.1f%%\n", 100*s.Utilization)
	if s.Unfit > 0 {
		fmt.Fprintf(w, "left out, fit no node\t%d jobs\n", s.Unfit)
	}
	return w.Flush()
}

func simulatedCluster(processors int, nodes string) (sim.Cluster, error) {
	if nodes == "" {
		return sim.Processors(processors), nil
	}
	text, err := os.ReadFile(nodes)
	if err != nil {
		return sim.Cluster{}, err
	}
	var groups []sim.NodeGroup
	if err := decodeStrict(text, &groups); err != nil {
		return sim.Cluster{}, prefixed(nodes+": ", err)
	}
	c, err := sim.NewCluster(groups)
	if err != nil {
		return sim.Cluster{}, fmt.Errorf("%s: %w", nodes, err)
	}
	return c, nil
}

// learner is the real model as a predictor of the simulator: it learns from each
// job when it ends, as the collector would have it.
type learner struct{ model *model.Model }

func (l *learner) Estimate(j *sim.Job) (predictor.Estimate, error) {
	return l.model.Estimate(&j.JobSpec), nil
}

func (l *learner) Remaining(j *sim.Job, _ *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	return l.model.Remaining(&j.JobSpec, elapsed), nil
}

func (l *learner) Observe(j *sim.Job, started, finished time.Time) error {
	l.model.Observe(predictor.JobRecord{JobSpec: j.JobSpec, Started: started, Finished: finished, Outcome: predictor.Succeeded})
	return nil
}
