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

Made up here: the jobs, their durations and their use of memory and GPUs, and the
nodes they run on. Real: Prometheus' storage and query engine, the collector, the
store, the trainer, the predictor with its gRPC, and the planner.
`)
}

func (d *demo) reportPast(samples int, took time.Duration) {
	outcomes := map[predictor.Outcome]int{}
	for _, j := range d.past {
		outcomes[j.outcome]++
	}
	fmt.Fprintf(d.out, "\n1. %d days of a cluster: %d jobs of %d kinds, %d failed, %d killed for memory;\n"+
		"   %.1f million samples as kube-state-metrics, cAdvisor and dcgm-exporter expose them (%.1f s)\n",
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
	fmt.Fprintf(d.out, "2. Read back through PromQL by the collector: %d of %d jobs (%.1f s); runtime right to a scrape interval for %.1f%%,\n"+
		"   outcome for %.1f%%; peak memory of %d measured ones off by %.1f%% on average\n",
		n, len(d.past), took.Seconds(), 100*float64(exact)/float64(n), 100*float64(outcomes)/float64(n), measured, 100*memory/float64(max(1, measured)))
	return nil
}

func (d *demo) reportModel(m predictor.ModelInfo, took time.Duration) {
	fmt.Fprintf(d.out, "\n3. Trained on %d records, %.0f kB (%.1f s)\n   %s\n", m.Records, float64(m.Size)/1e3, took.Seconds(), m.Reason)
}

func (d *demo) conclude() {
	fmt.Fprint(d.out, `
What next
   runcast doctor --config runcast.yaml       what your cluster and your Prometheus offer
   runcast up --config runcast.yaml           collect, train, predict and schedule in one process
   runcast backtest history.csv               how good the estimates are on your own history
The README shows the few lines of runcast.yaml that point at them.
`)
}
