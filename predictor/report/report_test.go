package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/report"
	"github.com/runcast/runcast/predictor/report/page/pagetest"
	"github.com/runcast/runcast/predictor/train"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func stopped() time.Time { return start }

// history is n jobs of users and names that no page must take for markup.
func history(n int, seed uint64) []predictor.JobRecord {
	rng := rand.New(rand.NewPCG(seed, 1))
	records := make([]predictor.JobRecord, n)
	for i := range records {
		r := &records[i]
		r.ID = fmt.Sprint("job-", i)
		r.User = []string{"ann", "<script>alert(1)</script>"}[rng.IntN(2)]
		r.Name = []string{"etl", `"&'><svg onload=x>`, "ünï\xff"}[rng.IntN(3)]
		r.Submitted = start.Add(time.Duration(i) * time.Minute)
		r.Started = r.Submitted
		r.Finished = r.Started.Add(time.Duration(rng.ExpFloat64() * float64(time.Hour)))
		r.Outcome = predictor.Succeeded
		r.RuntimeLimit = time.Duration(rng.IntN(3)) * time.Hour
		r.Requests.Memory = predictor.Bytes(1+rng.IntN(3)) * predictor.GiB
		r.PeakMemory = predictor.Bytes(rng.Int64N(int64(2 * predictor.GiB)))
	}
	return records
}

func page(t *testing.T, name string, records []predictor.JobRecord) string {
	t.Helper()
	r, err := report.New(name, records, train.Options{Start: 0.2, Now: stopped})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPage(t *testing.T) {
	for seed := range uint64(5) {
		records := history(150, seed)
		got := page(t, "<b>my & history", records)
		if got != page(t, "<b>my & history", records) {
			t.Error("the same history gave two pages")
		}
		text := pagetest.Check(t, got)
		for _, want := range []string{"Runcast on <b>my & history", "150 jobs that finished from 1 Mar 2026", "user <script>alert(1)</script>, name etl",
			"Do the quantiles hold?", "Waste against failures", "GBh wasted", "your limits", "Worst groups"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
	}
}

// A page of a history with less in it says less.
func TestPageWithout(t *testing.T) {
	records := history(30, 1)
	for i := range records {
		records[i].PeakMemory, records[i].RuntimeLimit, records[i].Name = 0, 0, fmt.Sprint("once-", i)
	}
	text := pagetest.Check(t, page(t, "h", records))
	for _, not := range []string{"Waste against failures", "GBh wasted", "your limits", "Worst groups"} {
		if strings.Contains(text, not) {
			t.Errorf("the page has %q", not)
		}
	}
	if want := "no peak memory"; !strings.Contains(text, want) {
		t.Errorf("the page lacks %q", want)
	}
	// All jobs the same, and memory that all had just enough of: nothing to scale by.
	for i := range records {
		records[i].PeakMemory, records[i].Requests.Memory = predictor.GiB, predictor.GiB
		records[i].Finished = records[i].Started.Add(time.Minute)
	}
	pagetest.Check(t, page(t, "h", records))

	if _, err := report.New("h", nil, train.Options{Now: stopped}); !errors.Is(err, train.ErrNothingToJudge) {
		t.Errorf("no records: %v, want %v", err, train.ErrNothingToJudge)
	}
}
