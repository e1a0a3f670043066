package main

import (
	"fmt"
	"os"

	"github.com/runcast/runcast/scheduler/sim/whatif"
)

// writeHTML draws the comparison.
func (c *comparison) writeHTML(s *simulate) error {
	page := whatif.WhatIf{Name: c.Trace, Cluster: c.Cluster, RightSized: c.RightSized, Samples: fmt.Sprintf("%d consecutive parts of the history", s.windows)}
	if s.seeds > 0 {
		page.Samples = fmt.Sprintf("%d repetitions with submissions shaken by up to a minute", s.seeds)
	}
	others := []string{"rule", "rule second", "memory"}
	for i := range c.Runs {
		r := &c.Runs[i]
		run := whatif.Run{Label: r.label(s.estimates), Result: r.Result, Intervals: r.Intervals, Against: r.Against}
		switch {
		case i == len(c.Runs)-1:
			run.Class = "runcast"
		case r.Policy == asItWas:
			run.Class, run.Real = "request", true
		default:
			run.Class = others[0]
			others = append(others[1:], others[0])
		}
		page.Runs = append(page.Runs, run)
	}
	f, err := os.Create(s.html)
	if err != nil {
		return err
	}
	if err := page.WriteHTML(f); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", s.html, err)
	}
	return f.Close()
}

// label is what people call a policy; it names the predictor if that is not the usual one.
func (s *simulation) label(usual string) string {
	name := s.Policy
	switch s.Policy {
	case asItWas:
		return "as it was"
	case "greedy": // which needs no prediction
		return "without a queue"
	case "runcast":
		name = "Runcast"
	}
	if s.Predictor != usual {
		name += "/" + s.Predictor
	}
	return name
}
