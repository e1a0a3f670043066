package train_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/train"
)

// publicLogs are the logs of real clusters that the estimates are held against, and
// what is asked of each beyond what is asked of all.
var publicLogs = []struct {
	trace       string
	first       int     // only so many submissions, for the test to take seconds; zero for all
	mae         float64 // at most, in seconds; zero for any
	within2x    float64 // at least, a share
	ofKeyMedian float64 // mean absolute error at most this share of that rule's; zero for any
}{
	{trace: "KTH-SP2-1996-2.1-cln.swf.gz", mae: 3700, within2x: 0.60},
	{trace: "LANL-CM5-first-60pct.swf.gz", ofKeyMedian: 0.92},
	{trace: "NASA-iPSC-1993-3.1-cln.swf.gz", ofKeyMedian: 0.92},
	{trace: "philly-first-60pct.csv.gz"},
	{trace: "tesseract-kinc-gemmaker.csv.gz"},
	{trace: "google-2011-days-01-14.csv.gz", first: 100_000, within2x: 0.88},
}

// openTrace reads a public log from the folder that RUNCAST_TRACES names, by default
// ../shared/traces beside the module, and skips the test if it is not there.
func openTrace(t *testing.T, name string) []predictor.JobRecord {
	t.Helper()
	dir := os.Getenv("RUNCAST_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "traces")
	}
	r, err := trace.Open(filepath.Join(dir, name), trace.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no trace %s; set RUNCAST_TRACES to the folder that has it", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// TestPublicLogs backtests each log on all but the first fifth of its submissions: the
// estimates are no worse than the best simple rule, on the mean clearly better, and
// cover what they say, the p90 not far less in any large group.
func TestPublicLogs(t *testing.T) {
	var (
		mu      sync.Mutex
		mae     []float64 // against the best rule, one element a log
		pinball []float64 // at p90, likewise
	)
	t.Run("logs", func(t *testing.T) {
		for _, log := range publicLogs {
			t.Run(log.trace, func(t *testing.T) {
				t.Parallel()
				records := openTrace(t, log.trace)
				if log.first > 0 {
					slices.SortStableFunc(records, func(a, b predictor.JobRecord) int { return submitted(&a).Compare(submitted(&b)) })
					records = records[:min(log.first, len(records))]
				}
				report, err := train.Backtest(records, train.Options{Start: 0.2, ByGroup: true, Now: time.Now})
				if err != nil {
					t.Fatal(err)
				}
				m, best := report.Predictors[train.Runcast], bestRule(report)
				t.Logf("%d jobs, learned in %.1f s, %.1f µs an estimate: %+v", report.Jobs, report.FitSeconds, report.PredictMicroseconds, m)
				most := 1.01 * best.MAE
				if log.mae > 0 {
					most = min(most, log.mae)
				}
				if log.ofKeyMedian > 0 {
					most = min(most, log.ofKeyMedian*report.Predictors["key_median"].MAE)
				}
				within(t, "mean absolute error", m.MAE, 0, most)
				within(t, "pinball loss at p50", m.PinballP50, 0, 1.01*best.PinballP50)
				within(t, "pinball loss at p90", m.PinballP90, 0, 1.01*best.PinballP90)
				within(t, "share within a factor of two", m.Within2x, log.within2x, 1)
				within(t, "coverage of p50", m.CoverageP50, 0.48, 0.52)
				within(t, "coverage of p90", m.CoverageP90, 0.88, 0.92)
				for _, g := range report.Groups {
					if g.Jobs >= 200 {
						within(t, "coverage of p90 of "+g.String(), g.Predictors[train.Runcast].CoverageP90, 0.8, 1)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				mae, pinball = append(mae, m.MAE/best.MAE), append(pinball, m.PinballP90/best.PinballP90)
			})
		}
	})
	if len(mae) > 1 {
		within(t, "mean absolute error against the best rule, mean over the logs", mean(mae), 0, 0.95)
		within(t, "pinball loss at p90 against the best rule, mean over the logs", mean(pinball), 0, 0.90)
	}
}

// TestPublicLogsMemory sizes the jobs of the logs that have their memory: less is wasted
// than by either rule, and no more jobs are killed at first than by the rule that wastes
// less of the two.
func TestPublicLogsMemory(t *testing.T) {
	for _, log := range []string{"LANL-CM5-first-60pct.swf.gz", "tesseract-kinc-gemmaker.csv.gz"} {
		t.Run(log, func(t *testing.T) {
			t.Parallel()
			report, err := train.Backtest(openTrace(t, log), train.Options{Target: train.Memory, Start: 0.2, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			m, largest, q99 := report.Predictors[train.Runcast], report.Predictors["max102"], report.Predictors["q99x102"]
			t.Logf("%d jobs: %+v; max102 %+v; q99x102 %+v", report.Jobs, *m.MemoryMetrics, *largest.MemoryMetrics, *q99.MemoryMetrics)
			within(t, "wastage in GBh", m.WastageGBh, 0, min(largest.WastageGBh, q99.WastageGBh))
			within(t, "share killed at first", m.FirstAttemptFailures, 0, q99.FirstAttemptFailures)
		})
	}
}

// bestRule has of each loss the lowest that a simple rule reached.
func bestRule(r train.Report) train.Metrics {
	best := train.Metrics{MAE: math.Inf(1), PinballP50: math.Inf(1), PinballP90: math.Inf(1)}
	for name, m := range r.Predictors {
		if name != train.Runcast {
			best.MAE, best.PinballP50, best.PinballP90 = min(best.MAE, m.MAE), min(best.PinballP50, m.PinballP50), min(best.PinballP90, m.PinballP90)
		}
	}
	return best
}

// within checks that least <= got <= most.
func within(t *testing.T, what string, got, least, most float64) {
	t.Helper()
	if !(got >= least && got <= most) {
		t.Errorf("%s is %.4g, want from %.4g to %.4g", what, got, least, most)
	}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
