// Package whatif draws what would have become of a history under several scheduling
// policies: one HTML page that needs nothing else.
package whatif

import (
	_ "embed"
	"errors"
	"fmt"
	"io"

	"github.com/runcast/runcast/predictor/report/page"
	"github.com/runcast/runcast/scheduler/sim"
)

// A WhatIf is several schedules of the same jobs. The first is what the others are
// compared with, the last what the page is about.
type WhatIf struct {
	Name       string // of the history
	Cluster    string // what it was played on
	Runs       []Run
	RightSized bool   // jobs asked for the memory that was predicted
	Samples    string // what the intervals are over: "10 parts of the history"
}

// A Run is one schedule.
type Run struct {
	Label string // "as it was", "easy/request"
	Class string // of the style: request, rule, rule second, memory, runcast
	Real  bool   // it is what really happened
	sim.Result
	Intervals *sim.Intervals // nil if there are too few jobs for any
	Against   *sim.Interval  // nil of the first: its mean flow time, against that
}

//go:embed whatif.html
var html string

var pageTemplate = page.New(html)

// WriteHTML writes the page. There must be at least two runs of the same jobs. The same
// runs give the same bytes.
func (w *WhatIf) WriteHTML(out io.Writer) error {
	if len(w.Runs) < 2 {
		return errors.New("expected at least two policies to compare")
	}
	if err := pageTemplate.Execute(out, w.view()); err != nil {
		return fmt.Errorf("write what-if: %w", err)
	}
	return nil
}
