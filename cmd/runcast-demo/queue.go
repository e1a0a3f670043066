package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler/sim"
)

func promqlDuration(d time.Duration) model.Duration { return model.Duration(d) }

// A queue is queueLength jobs that arrive within queueSpan: a Monday morning.
const (
	queueLength = 240
	queueSpan   = 30 * time.Minute
)

// nodes is the cluster that a queue meets.
var nodes = []sim.NodeGroup{
	{Name: "gpu", Count: 3, CPUCores: 128, Memory: predictor.TiB, GPUs: 8},
	{Name: "cpu", Count: 1, CPUCores: 64, Memory: 512 * predictor.GiB},
}

// drawQueues draws new jobs of the same kinds.
func (d *demo) drawQueues() [][]job {
	start := time.Now().UTC().Truncate(time.Second)
	queues := make([][]job, d.queues)
	for q := range queues {
		jobs := workload(d.src, start, start.AddDate(0, 0, 14))
		d.src.Shuffle(len(jobs), func(a, b int) { jobs[a], jobs[b] = jobs[b], jobs[a] })
		jobs = jobs[:min(queueLength, len(jobs))]
		for i := range jobs {
			jobs[i].submitted = start.Add(time.Duration(d.src.Int64N(int64(queueSpan)))).Truncate(time.Second)
		}
		slices.SortStableFunc(jobs, func(a, b job) int { return a.submitted.Compare(b.submitted) })
		queues[q] = jobs
	}
	return queues
}

// predict asks for every job and compares with what will come.
func (d *demo) predict(ctx context.Context, jobs []job) error {
	specs := make([]predictor.JobSpec, len(jobs))
	for i := range jobs {
		specs[i] = jobs[i].spec()
	}
	estimates, err := d.client.Estimator().Estimate(ctx, specs)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "   %d new jobs, in %d queues. The first of each kind, with how many past runs of its like the\n"+
		"   estimate rests on:\n\n", len(jobs), d.queues)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, " \truntime p50\tp90\tactual\tGiB asked\tp90\tactual\truns\t job")
	shown := map[*kind]bool{}
	var within, p50, p90, memory, n int
	for i, e := range estimates {
		j := &jobs[i]
		if j.outcome != predictor.Succeeded {
			continue
		}
		n++
		ratio := j.runtime.Seconds() / e.Runtime.P50.Seconds()
		within += count(ratio >= 0.5 && ratio <= 2)
		p50 += count(j.runtime <= e.Runtime.P50)
		p90 += count(j.runtime <= e.Runtime.P90)
		memory += count(j.peak <= e.PeakMemory.P90)
		if !shown[j.kind] {
			shown[j.kind] = true
			gib := func(b predictor.Bytes) string { return fmt.Sprintf("%.1f", float64(b)/float64(predictor.GiB)) }
			fmt.Fprintf(w, " \t%s\t%s\t%s\t%s\t%s\t%s\t%d\t %.26s\n", round(e.Runtime.P50), round(e.Runtime.P90), round(j.runtime),
				gib(j.kind.requests.Memory), gib(e.PeakMemory.P90), gib(j.peak), e.Samples, j.name)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	percent := func(x int) float64 { return 100 * float64(x) / float64(n) }
	fmt.Fprintf(d.out, "\n   Of the %d that will succeed, %.0f%% end within a factor of two of their p50.\n"+
		"   Coverage, the share that stays at or below what was said: runtime p50 %.0f%%, p90 %.0f%% (50%% and\n"+
		"   90%% are right); memory p90 %.0f%%.\n", n, percent(within), percent(p50), percent(p90), percent(memory))
	return nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }

// schedule plays each queue on the same nodes by several policies.
func (d *demo) schedule(ctx context.Context, queues [][]job) error {
	fmt.Fprintf(d.out, "\n5. The queues, each played in simulated time on 3 nodes of 8 GPUs and 1 without\n"+
		"   Every row has the same jobs and nodes; only order and placement differ. Means of the %d queues:\n\n", len(queues))
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "   order\tmean flow\tslowdown\tmean wait\tlongest flow\tall done")
	oracle := func() (sim.Predictor, error) { return sim.NewPredictor("oracle", 0) }
	served := func() (sim.Predictor, error) { return &remote{ctx, d.client.Estimator()}, nil }
	var plain, ours []sim.Result
	for _, row := range []struct {
		name, policy string
		source       func() (sim.Predictor, error)
		keep         *[]sim.Result
	}{
		{"strict order of submission", "fcfs", oracle, nil},
		{"plain: whatever fits first", "greedy", oracle, &plain},
		{"runcast, with these estimates", "runcast", served, &ours},
		{"runcast, had it known runtimes", "runcast", oracle, nil},
	} {
		results, err := play(queues, row.policy, row.source)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		if row.keep != nil {
			*row.keep = results
		}
		seconds := func(of func(sim.Result) float64) time.Duration {
			return round(time.Duration(mean(results, of) * float64(time.Second)))
		}
		fmt.Fprintf(w, "   %s\t%s\t%.1f\t%s\t%s\t%s\n", row.name, seconds(meanFlow), mean(results, meanSlowdown),
			seconds(func(r sim.Result) float64 { return r.MeanWait }),
			seconds(func(r sim.Result) float64 { return r.MaxFlow }),
			seconds(func(r sim.Result) float64 { return r.Makespan }))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n   Flow is submission to end; slowdown is flow over runtime, the mean. Plain is what kube-scheduler\n"+
		"   does with all of them released. Against it, runcast has\n"+
		"   mean flow %s, mean slowdown %s.\n", against(ours, plain, meanFlow), against(ours, plain, meanSlowdown))
	return nil
}

// play runs each queue by a policy, each with a predictor of its own.
func play(queues [][]job, policy string, source func() (sim.Predictor, error)) ([]sim.Result, error) {
	cluster, err := sim.NewCluster(nodes)
	if err != nil {
		return nil, err
	}
	results := make([]sim.Result, len(queues))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for q, queue := range queues {
		g.Go(func() error {
			jobs := make([]sim.Job, len(queue))
			for i := range queue {
				jobs[i] = sim.Job{JobSpec: queue[i].spec(), Runtime: queue[i].runtime}
			}
			p, err := source()
			if err != nil {
				return err
			}
			results[q], err = sim.Run(sim.Config{Cluster: cluster, Jobs: jobs, Policy: policy, Predictor: p})
			return err
		})
	}
	return results, g.Wait()
}

func meanFlow(r sim.Result) float64     { return r.MeanFlow }
func meanSlowdown(r sim.Result) float64 { return r.MeanBoundedSlow }

func mean(results []sim.Result, of func(sim.Result) float64) float64 {
	sum := 0.0
	for _, r := range results {
		sum += of(r)
	}
	return sum / float64(len(results))
}

// against is a measure in percent of that of other results for the same queues, of their
// means and, in parentheses, from the least to the most of a single queue.
func against(results, base []sim.Result, of func(sim.Result) float64) string {
	low, high := math.Inf(1), 0.0
	for q := range results {
		share := of(results[q]) / of(base[q])
		low, high = min(low, share), max(high, share)
	}
	return fmt.Sprintf("%.0f%% (single queues: %.0f to %.0f%%)", 100*mean(results, of)/mean(base, of), 100*low, 100*high)
}

// remote asks the predictor over gRPC, as the scheduler in a cluster does. It
// learns nothing meanwhile: the queue's jobs end in simulated time only.
type remote struct {
	ctx       context.Context
	estimator predictor.Estimator
}

func (r *remote) Estimate(j *sim.Job) (predictor.Estimate, error) {
	e, err := r.estimator.Estimate(r.ctx, []predictor.JobSpec{j.JobSpec})
	if err != nil {
		return predictor.Estimate{}, err
	}
	return e[0], nil
}

func (r *remote) Remaining(j *sim.Job, _ *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	q, err := r.estimator.Remaining(r.ctx, []predictor.RunningJob{{JobSpec: j.JobSpec, Elapsed: elapsed}})
	if err != nil {
		return predictor.Quantiles[time.Duration]{}, err
	}
	return q[0], nil
}

func (*remote) Observe(*predictor.JobRecord) error { return nil }
