package collector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
)

// fresh does not look back far: each window is a write to the disk.
var fresh = collector.Config{Backfill: time.Hour}

// collect runs a collector until stop is called.
func collect(t *testing.T, cfg collector.Config, sources collector.Sources, s collector.Store, reg prom.Registerer) (c *collector.Collector, stop func()) {
	t.Helper()
	c, err := collector.New(cfg, sources, s, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	return c, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func (w *world) sources() (collector.Sources, apiServer) {
	w.byID, w.measured = map[string]job{}, map[string]int{}
	for _, j := range w.jobs {
		w.byID[j.id()] = j
	}
	api, p := apiServer{w, map[string]bool{}}, prometheus{w}
	return collector.Sources{Lifecycles: api, Usage: p, History: p}, api
}

// TestLifecycleFirst: a job is stored as soon as it has ended, and again when its
// samples have been written.
func TestLifecycleFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{jobs: everyMinute(time.Now().UTC(), 1)}
		s := openStore(t)
		sources, _ := w.sources()
		reg := prom.NewPedanticRegistry()
		_, stop := collect(t, fresh, sources, s, reg)
		defer stop()

		time.Sleep(32 * time.Second)
		want := w.jobs[0].record()
		want.Quality = predictor.QualityNone
		if diff := cmp.Diff(predictor.Entry{JobRecord: want, Sequence: 1}, entries(t, s)[want.ID]); diff != "" {
			t.Errorf("after its end (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute + 5*time.Second)
		want.Usage = predictor.Usage{PeakMemory: w.jobs[0].peak(), Quality: predictor.QualityExact}
		if diff := cmp.Diff(predictor.Entry{JobRecord: want, Sequence: 2}, entries(t, s)[want.ID]); diff != "" {
			t.Errorf("a minute later (-want +got):\n%s", diff)
		}
		metrics := `
# HELP runcast_collector_records_stored_total Records stored that were new or better, by stage: lifecycle, usage, history.
# TYPE runcast_collector_records_stored_total counter
runcast_collector_records_stored_total{stage="history"} 0
runcast_collector_records_stored_total{stage="lifecycle"} 1
runcast_collector_records_stored_total{stage="usage"} 1
# HELP runcast_collector_usage_pending Finished jobs whose usage is still to be asked for.
# TYPE runcast_collector_usage_pending gauge
runcast_collector_usage_pending 0
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(metrics), "runcast_collector_records_stored_total", "runcast_collector_usage_pending"); err != nil {
			t.Error(err)
		}
	})
}

// TestPrometheusDown: lifecycles do not wait for Prometheus, and usage is measured
// when it is back, also of jobs that the API has forgotten since.
func TestPrometheusDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		w := &world{jobs: everyMinute(now, 60), outages: []outage{{now, now.Add(3 * time.Hour)}}}
		s := openStore(t)
		sources, _ := w.sources()
		_, stop := collect(t, fresh, sources, s, nil)
		defer stop()

		time.Sleep(2*time.Hour + 30*time.Minute)
		stored := entries(t, s)
		for _, j := range w.jobs {
			if e := stored[j.id()]; !fromAPI(e.JobRecord) || e.Quality != predictor.QualityNone {
				t.Errorf("while it is down, %s is %q", j.name, e.Quality)
			}
		}
		time.Sleep(40 * time.Minute)
		stored = entries(t, s)
		for _, j := range w.jobs {
			if e := stored[j.id()]; e.Quality != predictor.QualityExact || e.PeakMemory != j.peak() {
				t.Errorf("when it is back, %s is %q with %v", j.name, e.Quality, e.PeakMemory)
			}
		}
	})
}

// TestHistoryAlone: without the API Prometheus' word counts, for what it is worth;
// and asking again about the same hours changes nothing.
func TestHistoryAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		w := &world{jobs: everyMinute(now.Add(-24*time.Hour), 24*60)}
		s := openStore(t)
		sources, _ := w.sources()
		sources.Lifecycles = nil
		cfg := collector.Config{Backfill: 12 * time.Hour}
		_, stop := collect(t, cfg, sources, s, nil)
		time.Sleep(time.Hour)
		stop()
		stored := entries(t, s)
		for _, j := range w.jobs {
			e, ok := stored[j.id()]
			if old := !j.finished.After(now.Add(-12*time.Hour - 30*time.Minute)); old == ok {
				t.Errorf("%s, which ended at %v, is stored: %t", j.name, j.finished, ok)
			}
			if ok && (e.Quality != predictor.QualitySparse || e.PeakMemory != j.peak() || w.measured[j.id()] != 1) {
				t.Errorf("%s is %q with %v, measured %d times", j.name, e.Quality, e.PeakMemory, w.measured[j.id()])
			}
		}
		// No gaps, and each window overlaps the one before.
		for i, a := range w.asked[1:] {
			if b := w.asked[i]; a.from.After(b.to.Add(-30*time.Minute)) || !a.to.After(b.to) || a.to.After(time.Now().Add(-10*time.Minute)) {
				t.Errorf("window %v to %v after %v to %v", a.from, a.to, b.from, b.to)
			}
		}

		mark, err := s.Watermark(t.Context(), collector.Watermark)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutWithWatermark(t.Context(), nil, collector.Watermark, mark.Add(-6*time.Hour)); err != nil {
			t.Fatal(err)
		}
		_, stop = collect(t, cfg, sources, s, nil)
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff(stored, entries(t, s)); diff != "" {
			t.Errorf("read again (-first +second):\n%s", diff)
		}
		if again, err := s.Watermark(t.Context(), collector.Watermark); err != nil || again.Before(mark) {
			t.Errorf("watermark %v, %v; was %v", again, err, mark)
		}
	})
}

// TestKubernetesAlone: without Prometheus records hold lifecycles.
func TestKubernetesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{jobs: everyMinute(time.Now().UTC(), 10)}
		s := openStore(t)
		sources, _ := w.sources()
		_, stop := collect(t, collector.Config{}, collector.Sources{Lifecycles: sources.Lifecycles}, s, nil)
		time.Sleep(time.Hour)
		stop()
		if stored := entries(t, s); len(stored) != 10 || stored[w.jobs[0].id()].Quality != predictor.QualityNone {
			t.Errorf("%d records, the first %q; want 10 without usage", len(stored), stored[w.jobs[0].id()].Quality)
		}
	})
}

// TestRestartMeasuresOnce: what has been measured is not asked for again, nor counted
// again, when the API tells of it at the next start.
func TestRestartMeasuresOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{jobs: everyMinute(time.Now().UTC(), 5)}
		w.jobs[1].short = true
		s := openStore(t)
		sources, _ := w.sources()
		for range 2 {
			_, stop := collect(t, fresh, sources, s, nil)
			time.Sleep(20 * time.Minute)
			stop()
		}
		for _, j := range w.jobs {
			if w.measured[j.id()] != 1 {
				t.Errorf("%s was measured %d times", j.name, w.measured[j.id()])
			}
		}
	})
}

// TestInvalid: a job that breaks an invariant is left out, and takes no other one
// with it; usage that does is left out of its record.
func TestInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{jobs: everyMinute(time.Now().UTC(), 3)}
		w.jobs[1].started = w.jobs[1].submitted.Add(-time.Hour)
		s := openStore(t)
		sources, _ := w.sources()
		sources.Usage = absurd{}
		reg := prom.NewPedanticRegistry()
		_, stop := collect(t, fresh, sources, s, reg)
		time.Sleep(8 * time.Minute)
		stop()
		stored := entries(t, s)
		if len(stored) != 2 || stored[w.jobs[0].id()].Quality != predictor.QualityNone {
			t.Errorf("stored %d records, the first %q", len(stored), stored[w.jobs[0].id()].Quality)
		}
		metrics := `
# HELP runcast_collector_records_invalid_total Jobs, or their usage, left out because they broke an invariant.
# TYPE runcast_collector_records_invalid_total counter
runcast_collector_records_invalid_total 3
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(metrics), "runcast_collector_records_invalid_total"); err != nil {
			t.Error(err)
		}
	})
}

// TestDamaged: a stored record that cannot be read any more is told of, and takes no
// other job with it.
func TestDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{jobs: everyMinute(time.Now().UTC(), 5)}
		s := &damaged{openStore(t), w.jobs[1].id()}
		sources, _ := w.sources()
		reg := prom.NewPedanticRegistry()
		_, stop := collect(t, fresh, sources, s, reg)
		time.Sleep(30 * time.Minute)
		stop()
		for id, e := range entries(t, s) {
			if e.Quality != predictor.QualityExact {
				t.Errorf("%s was not measured: %q", id, e.Quality)
			}
		}
		if n := len(entries(t, s)); n != len(w.jobs) {
			t.Errorf("%d records, want %d", n, len(w.jobs))
		}
		if n, err := testutil.GatherAndCount(reg, "runcast_collector_errors_total"); n != 1 || err != nil {
			t.Errorf("%d series of errors, %v; want that of the lookup", n, err)
		}
	})
}

// damaged is a store that cannot read the record of one ID.
type damaged struct {
	*store.Store
	id string
}

func (d *damaged) Lookup(ctx context.Context, ids []string) (map[string]predictor.JobRecord, error) {
	found, err := d.Store.Lookup(ctx, ids)
	if _, ok := found[d.id]; ok {
		delete(found, d.id)
		err = fmt.Errorf("record %s: %w", d.id, predictor.ErrDamaged)
	}
	return found, err
}

// absurd measures nonsense.
type absurd struct{}

func (absurd) Usage(_ context.Context, jobs []collector.Finished) ([]predictor.Usage, error) {
	out := make([]predictor.Usage, len(jobs))
	for i := range out {
		out[i] = predictor.Usage{PeakCPUCores: math.Inf(1), Quality: predictor.QualityExact}
	}
	return out, nil
}

// TestAlive: a store that hangs is noticed; sources that fail do not matter.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		w := &world{jobs: everyMinute(now, 1), outages: []outage{{now, now.Add(time.Hour)}}}
		s := &hanging{Store: openStore(t), release: make(chan struct{})}
		sources, _ := w.sources()
		c, stop := collect(t, fresh, sources, s, nil)
		time.Sleep(time.Minute)
		if err := c.Alive(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if err := c.Alive(); !errors.Is(err, collector.ErrStalled) {
			t.Errorf("Alive = %v, want ErrStalled", err)
		}
		close(s.release)
		synctest.Wait()
		if err := c.Alive(); err != nil {
			t.Error(err)
		}
		stop()
	})
}

// hanging is a store whose Put waits for release.
type hanging struct {
	collector.Store
	release chan struct{}
}

func (h *hanging) Put(ctx context.Context, records []predictor.JobRecord) (int, error) {
	<-h.release
	return h.Store.Put(ctx, records)
}

// TestPrune: the store's bounds hold.
func TestPrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{jobs: everyMinute(time.Now().UTC(), 60)}
		s := openStore(t)
		sources, _ := w.sources()
		_, stop := collect(t, collector.Config{Backfill: time.Hour, MaxAge: 3 * time.Hour, MaxRecords: 20}, sources, s, nil)
		time.Sleep(2*time.Hour + time.Minute)
		if n := len(entries(t, s)); n != 20 {
			t.Errorf("%d records, want 20", n)
		}
		time.Sleep(3 * time.Hour)
		if n := len(entries(t, s)); n != 0 {
			t.Errorf("%d records of more than three hours, want none", n)
		}
		stop()
	})
}

// TestLostSource: Run ends with the error of a source of lifecycles that cannot go on.
func TestLostSource(t *testing.T) {
	c, err := collector.New(collector.Config{}, collector.Sources{Lifecycles: broken{}}, openStore(t), slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Run = %v, want %v", err, errDown)
	}
}

type broken struct{}

func (broken) Run(context.Context, func(context.Context, []collector.Finished) error) error {
	return errDown
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg   collector.Config
		valid bool
	}{
		{collector.Config{}, true},
		{collector.Config{Lag: time.Hour}, true},
		{collector.Config{Lag: time.Hour, HistoryLag: time.Minute}, false},
		{collector.Config{Lag: -time.Second}, false},
		{collector.Config{Window: time.Millisecond}, false},
		{collector.Config{Backfill: -1}, false},
		{collector.Config{MaxAge: -1}, false},
		{collector.Config{MaxRecords: -1}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.valid {
			t.Errorf("%+v: %v, want valid %t", c.cfg, err, c.valid)
		}
		if _, err := collector.New(c.cfg, collector.Sources{}, nil, nil, nil); (err == nil) != c.valid {
			t.Errorf("New(%+v): %v, want valid %t", c.cfg, err, c.valid)
		}
	}
}
