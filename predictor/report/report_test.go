package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/report"
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

var (
	number  = regexp.MustCompile(`^-?\d+(\.\d)?$`)
	outside = regexp.MustCompile(`(?i)<script|<link|<img|<iframe|@import|url\(|https?:`)
)

// checkPage checks that a page is well-formed, needs nothing from elsewhere, and draws
// within its charts. It returns the page's text.
func checkPage(t *testing.T, page string) string {
	t.Helper()
	if found := outside.FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	var text strings.Builder
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		} else if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s runs %q", token.Name.Local, a.Value)
				}
				switch a.Name.Local {
				case "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width":
					if !number.MatchString(a.Value) {
						t.Errorf("%s of %s is %q", a.Name.Local, token.Name.Local, a.Value)
					}
				case "points":
					for _, point := range strings.Fields(a.Value) {
						var x, y float64
						if n, err := fmt.Sscanf(point, "%f,%f", &x, &y); n != 2 || err != nil || x < 0 || x > 440 || y < 0 || y > 300 {
							t.Errorf("point %q lies outside of the chart", point)
						}
					}
				}
			}
		}
	}
}

func TestPage(t *testing.T) {
	for seed := range uint64(5) {
		records := history(150, seed)
		got := page(t, "<b>my & history", records)
		if got != page(t, "<b>my & history", records) {
			t.Error("the same history gave two pages")
		}
		text := checkPage(t, got)
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
	text := checkPage(t, page(t, "h", records))
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
	checkPage(t, page(t, "h", records))

	if _, err := report.New("h", nil, train.Options{Now: stopped}); !errors.Is(err, train.ErrNothingToJudge) {
		t.Errorf("no records: %v, want %v", err, train.ErrNothingToJudge)
	}
}
