// Package report draws how good the estimates would have been on a history, beside
// simple rules and what the users asked for: one HTML page that needs nothing else, no
// script, no font and no network.
package report

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/report/page"
	"github.com/runcast/runcast/predictor/train"
)

// A Report is what two backtests tell of a history.
type Report struct {
	Name     string    // of the history
	Records  int       // in it
	From, To time.Time // first and last finish
	Limited  bool      // some jobs have a runtime limit
	Runtime  train.Report
	Memory   *train.Report // nil if no peak was measured of the jobs judged
}

// New backtests a history. Of the options it takes Start, From, Seed and Now.
func New(name string, records []predictor.JobRecord, o train.Options) (*Report, error) {
	r := &Report{Name: name, Records: len(records)}
	measured := false
	for i := range records {
		j := &records[i]
		if r.From.IsZero() || j.Finished.Before(r.From) {
			r.From = j.Finished
		}
		if j.Finished.After(r.To) {
			r.To = j.Finished
		}
		r.Limited = r.Limited || j.RuntimeLimit > 0
		measured = measured || j.PeakMemory > 0
	}
	o.Trace, o.ByGroup = name, true
	var err error
	o.Target = train.Runtime
	if r.Runtime, err = train.Backtest(records, o); err != nil || !measured {
		return r, err
	}
	o.Target = train.Memory
	memory, err := train.Backtest(records, o)
	if errors.Is(err, train.ErrNothingToJudge) {
		return r, nil
	}
	r.Memory = &memory
	return r, err
}

//go:embed page.html
var html string

var pageTemplate = page.New(html)

// WriteHTML writes the page. The same report gives the same bytes.
func (r *Report) WriteHTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, r.view()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
