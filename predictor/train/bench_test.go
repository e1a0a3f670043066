package train

import (
	"testing"
	"time"

	"github.com/runcast/runcast/predictor/model"
)

func BenchmarkX(b *testing.B) {
	records := openTrace(b, "KTH-SP2-1996-2.1-cln.swf.gz")
	for b.Loop() {
		rep, err := Backtest(records, Options{Start: 0.2, Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%v", rep.Predictors["runcast"])
	}
}

func BenchmarkEstimate(b *testing.B) {
	records := openTrace(b, "KTH-SP2-1996-2.1-cln.swf.gz")
	m := model.New(0)
	for _, r := range records {
		m.Observe(r)
	}
	i := 0
	for b.Loop() {
		m.Estimate(&records[i*7919%len(records)].JobSpec)
		i++
	}
}

func BenchmarkObserve(b *testing.B) {
	records := openTrace(b, "KTH-SP2-1996-2.1-cln.swf.gz")
	m := model.New(0)
	for _, r := range records[:20000] {
		m.Observe(r)
	}
	i := 20000
	for b.Loop() {
		m.Observe(records[i])
		i++
		if i == len(records) {
			b.Fatal("too few")
		}
	}
}
