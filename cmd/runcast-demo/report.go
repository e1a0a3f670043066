package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
)

func (d *demo) introduce() {
	fmt.Fprint(d.out, `Runcast: learn from finished jobs, and finish the next ones sooner

Simulated: the jobs with their durations, memory and GPU use; their exporters; the nodes; and, for
the queue, time. Real: Prometheus' storage and query engine, the collector, the store, the trainer,
the predictor behind gRPC, and the planner.
`)
}

func (d *demo) reportPast(samples int, took time.Duration) {
	outcomes := map[predictor.Outcome]int{}
	for _, j := range d.past {
		outcomes[j.outcome]++
	}
	fmt.Fprintf(d.out, "\n1. The past: %d simulated days of a cluster\n"+
		"   %d jobs of %d kinds; %d failed, %d were killed for memory.\n"+
		"   %.1f million samples, as kube-state-metrics, cAdvisor and dcgm-exporter expose them (%.1f s).\n",
		d.days, len(d.past), len(kinds), outcomes[predictor.Failed], outcomes[predictor.OOMKilled], float64(samples)/1e6, took.Seconds())
}

// progress overwrites one line of a terminal until the next step does.
func (d *demo) progress(what string, at, to time.Time) {
	if at.IsZero() || !d.terminal {
		return
	}
	done := 1 - to.Sub(at).Hours()/float64(24*d.days)
	fmt.Fprintf(d.out, "\r   %s: %3.0f%%", what, 100*min(1, max(0, done)))
}

// reportRecords compares what the collector stored with what was made up.
func (d *demo) reportRecords(ctx context.Context, address string, took time.Duration) error {
	truth := map[string]*job{}
	for i := range d.past {
		s := d.past[i].spec()
		truth[s.ID] = &d.past[i]
	}
	var n, exact, outcomes int
	var memory float64
	measured := 0
	for e, err := range d.store.Records(ctx, time.Time{}, time.Time{}) {
		if err != nil {
			return err
		}
		j := truth[e.ID]
		if j == nil {
			return fmt.Errorf("the collector stored job %s, which never was", e.ID)
		}
		n++
		off := e.Runtime() - j.runtime
		exact += count(off.Abs() <= scrapeInterval)
		outcomes += count(e.Outcome == j.outcome)
		if e.PeakMemory > 0 && !e.MemoryCensored() {
			measured++
			memory += math.Abs(float64(e.PeakMemory)/float64(j.peak) - 1)
		}
	}
	if n == 0 {
		return fmt.Errorf("the collector found no job in Prometheus at %s", address)
	}
	if d.terminal {
		fmt.Fprint(d.out, "\r")
	} else {
		fmt.Fprintln(d.out)
	}
	fmt.Fprintf(d.out, "2. What the collector read back through PromQL, against what was simulated\n"+
		"   %d of %d jobs are in the store (%.1f s).\n"+
		"   Right to a scrape interval: the runtime of %.1f%%. Right: the outcome of %.1f%%.\n"+
		"   Peak memory, of the %d jobs that ran long enough to measure: off by %.1f%% on average.\n",
		n, len(d.past), took.Seconds(), 100*float64(exact)/float64(n), 100*float64(outcomes)/float64(n), measured, 100*memory/float64(max(1, measured)))
	return nil
}

func (d *demo) reportModel(m predictor.ModelInfo, took time.Duration) {
	fmt.Fprintf(d.out, "\n3. What was learned: a model of %d jobs, %.0f kB (%.1f s)\n"+
		"   Judged on the newest fifth of them, before it had seen it: an average loss (pinball) of\n"+
		"   %.0f s for the p50 and %.0f s for the p90. It goes into service: there was none before.\n",
		m.Records, float64(m.Size)/1e3, took.Seconds(), m.PinballP50, m.PinballP90)
}

func (d *demo) conclude() {
	fmt.Fprint(d.out, `
What next (make build puts runcast into bin/; the README has the few lines of runcast.yaml)
   runcast doctor --config runcast.yaml   what your cluster and your Prometheus offer, what to mend
   runcast up --config runcast.yaml       collect, train, predict and schedule in one process
   runcast backtest history.csv           how good the estimates are on a history of your own
`)
}
