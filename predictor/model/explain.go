package model

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// mostPast is how many runs an Explanation cites.
const mostPast = 20

// Explain tells where the estimate of a job comes from.
func (m *Model) Explain(s *predictor.JobSpec) predictor.Explanation {
	q := m.question(s)
	defer q.release()
	x := predictor.Explanation{Estimate: m.Estimate(s)}
	p := m.pool(&m.targets[features.Runtime], q)
	defer p.release()
	known := !p.empty()
	var d distribution
	if known {
		d = p.distribution()
	}
	for level, runs := range q.runs {
		if len(runs) == 0 {
			continue
		}
		group := predictor.Group{Level: features.Levels[level].Name, Key: q.runs.Describe(level, s), Used: known && level == d.level}
		group.Samples, group.Median = summary(runs)
		x.Groups = append(x.Groups, group)
		if !group.Used {
			continue
		}
		for _, r := range slices.Backward(runs[max(len(runs)-mostPast, 0):]) {
			x.Past = append(x.Past, predictor.PastRun{ID: r.ID, Name: r.Name, Finished: r.Finished, Runtime: r.Runtime, PeakMemory: r.Memory, Outcome: r.Outcome})
		}
	}
	x.Text = m.text(s, &x)
	return x
}

// summary returns how many runs are exact, and the median of all.
func summary(runs []*features.Run) (exact int, median time.Duration) {
	points := make([]point, 0, len(runs))
	for _, r := range runs {
		points = append(points, point{features.LogSeconds(r.Runtime), 1, r.RuntimeCensored})
		if !r.RuntimeCensored {
			exact++
		}
	}
	slices.SortFunc(points, comparePoints)
	if d := (distribution{steps: productLimit(points, nil)}); len(d.steps) > 0 {
		median = scale(math.Exp(d.quantile(0.5)), time.Second)
	}
	return exact, median
}

func (m *Model) text(s *predictor.JobSpec, x *predictor.Explanation) []string {
	e := &x.Estimate
	lines := []string{fmt.Sprintf("It should run for about %v, and with 90 %% certainty for at most %v.",
		readable(e.Runtime.P50), readable(e.Runtime.P90))}
	for _, g := range x.Groups {
		if g.Used {
			lines = append(lines, fmt.Sprintf("That is mostly what %d finished runs of %s say; their median is %v.", g.Samples, g.Key, readable(g.Median)))
		}
	}
	if e.Samples == 0 {
		lines = append(lines, fmt.Sprintf("No job has finished yet: this rests on %s.", e.Source))
	} else if e.Cold {
		lines = append(lines, "Too few runs of its own have finished, so coarser groups decide with them.")
	}
	if limit := m.limits.of(s); limit > 0 {
		lines = append(lines, fmt.Sprintf("Its limit ends it after %v at the latest.", readable(limit)))
	} else if s.RuntimeLimit > 0 {
		lines = append(lines, fmt.Sprintf("Its limit of %v is not taken at its word: many runs have outlasted theirs.", readable(s.RuntimeLimit)))
	}
	if !e.PeakMemory.IsZero() {
		lines = append(lines, fmt.Sprintf("Its largest pod should need about %v, and with 90 %% certainty at most %v; each should ask for %v.", e.PeakMemory.P50, e.PeakMemory.P90, e.MemoryRequest))
	}
	return lines
}

// readable rounds a duration to what a person reads.
func readable(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
