package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/scheduler/sim"
)

// asItWas is the name among the policies of what really happened.
const asItWas = "history"

// simulate is the command's flags.
type simulate struct {
	from             source
	processors       int
	nodes            string
	policies         []string // NAME or NAME/PREDICTOR
	estimates        string
	rightSize, drain bool
	tune             bool
	limit, days      int
	windows, seeds   int
	seed             uint64
	asJSON           bool
	html             string
}

func newSimulate() *cobra.Command {
	var s simulate
	cmd := &cobra.Command{
		Use:   "simulate (TRACE | --store FILE | --server ADDR)",
		Short: "Replay a history through scheduling policies",
		Long: `Replay the jobs of a history on a cluster in simulated time, by one policy or by several
side by side. The policy runcast is the very plan that the scheduler carries out in a
cluster; greedy is a cluster without a queue, history what really happened, and the
others are classic rules to compare with.

  policies:   ` + strings.Join(sim.Policies, ", ") + `,
              ` + asItWas + `; easy/request has a predictor of its own
  predictors: oracle, request, last2, noise:SIGMA, runcast (learns as the replay goes)

Without --procs and --nodes the cluster is as large as the history shows that it was:
nodes as large as the largest pod, as many as held what ran at one time. The simulated
cluster is empty at first, nothing but the jobs is on it, and no job is preempted.

A log is one sample: means come with a 95 % confidence interval, over consecutive parts
of the log, or with --seeds over repetitions of which each shakes the submissions by up
to a minute. Other policies are compared with the first, part by part.

With --tune the policy runcast plays the history with other settings, one after the other,
and those are printed as a configuration with which its jobs were done sooner than with the
defaults, by more than chance explains; it prints that there are none if there are none.`,
		Example: `  runcast simulate history.csv --nodes nodes.yaml
  runcast simulate --store runcast.bolt --days 30 --policy history,greedy,runcast
  runcast simulate --store runcast.bolt --days 30 --nodes nodes.yaml --tune`,
		GroupID: "people",
		Args:    cobra.MaximumNArgs(1),
	}
	s.from.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&s.processors, "procs", 0, "number of equal processors, without placement")
	f.StringVar(&s.nodes, "nodes", "", "YAML `file`: a list of {name, count, cpu_cores, memory_bytes, gpus, gpu_model, labels}")
	f.StringSliceVar(&s.policies, "policy", []string{"runcast"}, "scheduling `policies`, by commas")
	f.StringVar(&s.estimates, "predictor", "runcast", "where runtimes come from, for policies that do not say it")
	f.BoolVar(&s.rightSize, "right-size", false, "jobs ask for the memory that the predictor says they need, and again for more if that was too little")
	f.BoolVar(&s.tune, "tune", false, "find the settings of the policy runcast that suit the history")
	f.BoolVar(&s.drain, "drain", false, "submit all jobs at time 0")
	f.IntVar(&s.limit, "jobs", 0, "only the first `N` jobs; 0 takes all")
	f.IntVar(&s.days, "days", 0, "only the jobs submitted in the last `N` days, those before only teach; 0 takes all")
	f.IntVar(&s.windows, "windows", 10, "parts of the log, of as many jobs each, whose spread gives the intervals")
	f.IntVar(&s.seeds, "seeds", 0, "take the intervals over `N` repetitions instead, with seeds from --seed on")
	f.Uint64Var(&s.seed, "seed", 1, "seed of random choices")
	f.StringVar(&s.html, "html", "", "also draw the policies as one HTML page, in this `file`; without --policy, those are "+strings.Join(whatIfPolicies, ", "))
	f.BoolVar(&s.asJSON, "json", false, "print one JSON object")
	cmd.RunE = s.run
	return cmd
}

// whatIfPolicies are those of a page if no others are asked for.
var whatIfPolicies = []string{asItWas, "greedy", "runcast"}

// check finds what is wrong with the flags.
func (s *simulate) check(cmd *cobra.Command, args []string) error {
	if err := s.from.check(cmd, args); err != nil {
		return err
	}
	if s.html != "" && !cmd.Flags().Changed("policy") {
		s.policies = whatIfPolicies
	}
	if s.tune && (s.html != "" || cmd.Flags().Changed("policy")) {
		return usagef(cmd, "--tune: it goes with neither --policy nor --html")
	}
	if len(s.policies) == 0 {
		return usagef(cmd, "--policy: expected at least one")
	}
	if s.html != "" && len(s.policies) < 2 {
		return usagef(cmd, "--html: expected at least two policies to compare, see --policy")
	}
	if s.processors > 0 && s.nodes != "" {
		return usagef(cmd, "expected either --procs or --nodes")
	}
	for _, v := range s.variants() {
		if v.Policy == asItWas && (s.drain || s.seeds > 0) {
			return usagef(cmd, "--policy: %s goes with neither --drain nor --seeds", asItWas)
		}
		if v.Policy != asItWas && !slices.Contains(sim.Policies, v.Policy) {
			return usagef(cmd, "--policy: %q is not one of %s, %s", v.Policy, strings.Join(sim.Policies, ", "), asItWas)
		}
		if _, err := newSource(v.Predictor, s.seed); err != nil && v.Policy != asItWas {
			return usagef(cmd, "--predictor: %w", err)
		}
	}
	for _, n := range []struct {
		flag  string
		least int
		value int
	}{{"procs", 0, s.processors}, {"jobs", 0, s.limit}, {"days", 0, s.days}, {"windows", 2, s.windows}, {"seeds", 0, s.seeds}} {
		if n.value < n.least {
			return usagef(cmd, "--%s: expected a number of at least %d, got %d", n.flag, n.least, n.value)
		}
	}
	if s.seeds == 1 {
		return usagef(cmd, "--seeds: expected at least 2, one has no spread")
	}
	return nil
}

// variants are what is to be simulated, by name.
func (s *simulate) variants() []simulation {
	if s.tune {
		return tunings(s.estimates)
	}
	variants := make([]simulation, 0, len(s.policies))
	for _, p := range s.policies {
		v := simulation{Predictor: s.estimates}
		var own bool
		var estimates string
		if v.Policy, estimates, own = strings.Cut(p, "/"); own {
			v.Predictor = estimates
		}
		if v.Policy == asItWas {
			v.Predictor = ""
		}
		variants = append(variants, v)
	}
	return variants
}

func (s *simulate) run(cmd *cobra.Command, args []string) error {
	if err := s.check(cmd, args); err != nil {
		return err
	}
	records, from, err := s.from.read(cmd, args)
	if err != nil {
		return err
	}
	if name := strings.TrimSuffix(from, ".gz"); strings.HasSuffix(name, ".swf") { // which says of every job how many processors it had
		records = slices.DeleteFunc(records, func(r predictor.JobRecord) bool { return r.Pods == 0 })
	}
	earlier, jobs := s.jobs(records)
	cluster, text, err := s.cluster(jobs)
	if err != nil {
		return err
	}
	c := comparison{Trace: filepath.Base(from), Cluster: text, RightSized: s.rightSize, repeated: s.seeds > 0}
	variants := s.variants()
	for i, v := range variants {
		began := time.Now()
		v.Trace = c.Trace
		if err := s.simulate(&v, cluster, earlier, jobs); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		if len(c.Runs) > 0 && v.samples != nil {
			against := sim.Against(v.samples, c.Runs[0].samples)
			v.Against = &against
		}
		c.Runs = append(c.Runs, v)
		if took := time.Since(began).Round(time.Second); took > 0 && len(variants) > 1 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d simulated, in %v\n", i+1, len(variants), took)
		}
	}
	if err := s.bound(&c, cluster, jobs); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if s.html != "" {
		if err := c.writeHTML(s); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d jobs of %s\n", s.html, c.Runs[0].Jobs, from)
	}
	if s.tune {
		if err := c.tune(); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	switch {
	case s.asJSON && len(c.Runs) == 1:
		return printJSON(cmd, c.Runs[0])
	case s.asJSON:
		return printJSON(cmd, c)
	case s.tune:
		return printTuning(cmd, c)
	case len(c.Runs) == 1:
		return printSimulation(cmd, c.Runs[0])
	}
	return printComparison(cmd, c)
}

// jobs are those to simulate, and those before them.
func (s *simulate) jobs(records []predictor.JobRecord) (earlier, jobs []sim.Job) {
	jobs = sim.FromRecords(records)
	if s.limit > 0 {
		jobs = jobs[:min(s.limit, len(jobs))]
	}
	if s.days > 0 && len(jobs) > 0 {
		earlier, jobs = sim.Since(jobs, jobs[len(jobs)-1].Submitted.AddDate(0, 0, -s.days))
	}
	if s.drain && len(jobs) > 0 {
		jobs = sim.Drained(jobs)
	}
	return earlier, jobs
}

// simulate runs one variant, with --seeds once more for each.
func (s *simulate) simulate(v *simulation, cluster sim.Cluster, earlier, jobs []sim.Job) error {
	once := func(jobs []sim.Job, seed uint64) (sim.Result, error) {
		if v.Policy == asItWas {
			return sim.AsItWas(cluster, jobs)
		}
		p, err := newSource(v.Predictor, seed)
		if err != nil {
			return sim.Result{}, err
		}
		if len(jobs) > 0 {
			if err := sim.Teach(p, earlier, jobs[0].Submitted); err != nil {
				return sim.Result{}, err
			}
		}
		return sim.Run(sim.Config{Cluster: cluster, Jobs: jobs, Policy: v.Policy, Predictor: p, Plan: v.plan, RightSize: s.rightSize, Clock: time.Now})
	}
	var err error
	if v.Result, err = once(jobs, s.seed); err != nil {
		return err
	}
	if s.seeds == 0 && v.Jobs >= s.windows {
		v.samples = v.Windows(s.windows)
	}
	for i := range uint64(s.seeds) {
		r, err := once(sim.Shaken(jobs, s.seed+i), s.seed+i)
		if err != nil {
			return err
		}
		v.samples = append(v.samples, r.Measures)
	}
	if v.samples != nil {
		intervals := sim.NewIntervals(v.samples)
		v.Intervals = &intervals
	}
	return nil
}

// bound says how far each result is from what no schedule is below.
func (s *simulate) bound(c *comparison, cluster sim.Cluster, jobs []sim.Job) error {
	if s.rightSize {
		jobs = sim.Trimmed(jobs)
	}
	bound, err := sim.LowerBound(cluster, jobs)
	if err != nil {
		return err
	}
	for i := range c.Runs {
		c.Runs[i].Bounded(bound)
	}
	return nil
}

// newSource is a predictor by its name.
func newSource(name string, seed uint64) (sim.Predictor, error) {
	if name == "runcast" {
		return &learner{model: model.New(seed)}, nil
	}
	return sim.NewPredictor(name, seed)
}

// cluster is what the jobs are simulated on, and what to call it.
func (s *simulate) cluster(jobs []sim.Job) (c sim.Cluster, text string, err error) {
	if s.processors > 0 {
		return sim.Processors(s.processors), strconv.Itoa(s.processors) + " processors", nil
	}
	var groups []sim.NodeGroup
	from := s.nodes
	if s.nodes == "" {
		from = "as the history shows them"
		groups, err = sim.NodesUsed(jobs)
		if err != nil {
			return c, "", fmt.Errorf("%w: the cluster cannot be told from it, see --nodes and --procs", err)
		}
	} else {
		text, err := os.ReadFile(s.nodes)
		if err != nil {
			return c, "", err
		}
		if err := decodeStrict(text, &groups); err != nil {
			return c, "", prefixed(s.nodes+": ", err)
		}
	}
	if c, err = sim.NewCluster(groups); err != nil {
		return c, "", fmt.Errorf("%s: %w", from, err)
	}
	var parts []string
	for _, g := range groups {
		parts = append(parts, g.String())
	}
	return c, strings.Join(parts, ", ") + " (" + from + ")", nil
}

// learner is the real model as a predictor of the simulator: it learns from each
// job when it ends, as the collector would have it.
type learner struct{ model *model.Model }

func (l *learner) Estimate(j *sim.Job) (predictor.Estimate, error) {
	return l.model.Estimate(&j.JobSpec), nil
}

func (l *learner) Remaining(j *sim.Job, _ *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	return l.model.Remaining(&j.JobSpec, elapsed, 0), nil
}

func (l *learner) Observe(r *predictor.JobRecord) error {
	l.model.Observe(*r)
	return nil
}
