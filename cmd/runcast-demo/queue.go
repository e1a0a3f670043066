package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler/sim"
)

func promqlDuration(d time.Duration) model.Duration { return model.Duration(d) }

// queueLength is how many jobs arrive within queueSpan: a Monday morning's queue.
const (
	queueLength = 240
	queueSpan   = 30 * time.Minute
)

// nodes is the cluster that the queue meets.
var nodes = []sim.NodeGroup{
	{Name: "gpu", Count: 3, CPUCores: 128, Memory: predictor.TiB, GPUs: 8},
	{Name: "cpu", Count: 1, CPUCores: 64, Memory: 512 * predictor.GiB},
}

// queue draws new jobs of the same kinds, submitted within queueSpan.
func (d *demo) queue() []job {
	start := time.Now().UTC().Truncate(time.Second)
	jobs := workload(d.src, start, start.AddDate(0, 0, 14))
	d.src.Shuffle(len(jobs), func(a, b int) { jobs[a], jobs[b] = jobs[b], jobs[a] })
	jobs = jobs[:min(queueLength, len(jobs))]
	for i := range jobs {
		jobs[i].submitted = start.Add(time.Duration(d.src.Int64N(int64(queueSpan)))).Truncate(time.Second)
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return a.submitted.Compare(b.submitted) })
	return jobs
}

// predict asks for every job of the queue and compares with what will come.
func (d *demo) predict(ctx context.Context, queue []job) error {
	specs := make([]predictor.JobSpec, len(queue))
	for i := range queue {
		specs[i] = queue[i].spec()
	}
	estimates, err := d.client.Estimator().Estimate(ctx, specs)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "   %d new jobs arrive. One of each kind, with the past runs of its like that its estimate rests on:\n\n", len(queue))
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, " \truntime p50\tp90\tactual\tGiB asked\tp90\tactual\truns\t job")
	shown := map[*kind]bool{}
	var within, p50, p90, memory, n int
	for i, e := range estimates {
		j := &queue[i]
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

// schedule plays the queue on the same nodes by several policies.
func (d *demo) schedule(ctx context.Context, queue []job) error {
	cluster, err := sim.NewCluster(nodes)
	if err != nil {
		return err
	}
	jobs := make([]sim.Job, len(queue))
	for i := range queue {
		jobs[i] = sim.Job{JobSpec: queue[i].spec(), Runtime: queue[i].runtime}
	}
	oracle, err := sim.NewPredictor("oracle", 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n5. The queue, played in simulated time on 3 nodes of 8 GPUs and 1 without\n"+
		"   Every row has the same jobs and nodes; only order and placement differ.\n\n")
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "   order\tmean flow\tslowdown\tmean wait\tlongest flow\tall done")
	var plain, ours sim.Result
	for _, row := range []struct {
		name, policy string
		source       sim.Predictor
		keep         *sim.Result
	}{
		{"strict order of submission", "fcfs", oracle, nil},
		{"plain: whatever fits first", "greedy", oracle, &plain},
		{"runcast, with these estimates", "runcast", &remote{ctx, d.client.Estimator()}, &ours},
		{"runcast, had it known runtimes", "runcast", oracle, nil},
	} {
		r, err := sim.Run(sim.Config{Cluster: cluster, Jobs: jobs, Policy: row.policy, Predictor: row.source})
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		if row.keep != nil {
			*row.keep = r
		}
		seconds := func(x float64) time.Duration { return round(time.Duration(x * float64(time.Second))) }
		fmt.Fprintf(w, "   %s\t%s\t%.1f\t%s\t%s\t%s\n", row.name, seconds(r.MeanFlow), r.MeanBoundedSlow, seconds(r.MeanWait), seconds(r.MaxFlow), seconds(r.Makespan))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n   Flow is submission to end; slowdown is flow over runtime, the mean. Plain is what kube-scheduler\n"+
		"   does with all of them released. Against it, runcast: mean flow %.0f%%, mean slowdown %.0f%%.\n",
		100*ours.MeanFlow/plain.MeanFlow, 100*ours.MeanBoundedSlow/plain.MeanBoundedSlow)
	return nil
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
