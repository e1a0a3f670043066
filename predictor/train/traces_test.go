package train

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// traces are the public logs that the tests measure on, where they are at hand.
var traces = []string{
	"KTH-SP2-1996-2.1-cln.swf.gz",
	"LANL-CM5-first-60pct.swf.gz",
	"NASA-iPSC-1993-3.1-cln.swf.gz",
	"philly-first-60pct.csv.gz",
	"tesseract-kinc-gemmaker.csv.gz",
	"google-2011-days-01-14.csv.gz",
}

// openTrace reads a trace from the folder that RUNCAST_TRACES names, by default
// ../shared/traces beside the module, and skips the test if it is not there.
func openTrace(t testing.TB, name string) []predictor.JobRecord {
	t.Helper()
	dir := os.Getenv("RUNCAST_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "traces")
	}
	r, err := trace.Open(filepath.Join(dir, name), trace.Options{SkipBadRows: true})
	if os.IsNotExist(err) {
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

func TestTraces(t *testing.T) {
	want := os.Getenv("TR")
	for _, name := range traces {
		if want != "" && !strings.Contains(name, want) {
			continue
		}
		records := openTrace(t, name)
		if os.Getenv("ALL") != "" {
			for i := range records {
				records[i].Outcome = ""
			}
		}
		start := 0.2
		if s := os.Getenv("START"); s != "" {
			fmt.Sscan(s, &start)
		}
		rep, err := Backtest(records, Options{Trace: name, Start: start, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s jobs %d fit %.1fs predict %.1fµs\n", name, rep.Jobs, rep.FitSeconds, rep.PredictMicroseconds)
		for _, p := range []string{"request", "last2", "key_median", "hierarchy", "runcast"} {
			m := rep.Predictors[p]
			fmt.Printf("  %-11s mae %8.1f medae %7.1f medape %5.2f 2x %.3f 25%% %.3f under %.3f pb50 %8.1f pb90 %8.1f c50 %.3f c90 %.3f conc %.3f\n", p, m.MAE, m.MedAE, m.MedAPE, m.Within2x, m.Within25Pct, m.Under, m.PinballP50, m.PinballP90, m.CoverageP50, m.CoverageP90, m.Concordance)
		}
	}
}
