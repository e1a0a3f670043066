package model

import (
	"fmt"
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// mostPast is how many runs an Explanation cites.
const mostPast = 20

// Explain tells where the estimate of a job comes from.
func (m *Model) Explain(s *predictor.JobSpec) predictor.Explanation {
	keys := features.KeysOf(s)
	x := predictor.Explanation{Estimate: m.Estimate(s)}
	d, ok := m.forecast(&m.runtime, &keys, time.Time{})
	for level, key := range keys {
		g := m.history.Group(key)
		if g == nil {
			continue
		}
		group := predictor.Group{Level: features.Levels[level].Name, Key: features.Levels[level].Describe(s), Used: ok && level == d.level}
		points := make([]point, 0, len(g.Runs))
		g.At(time.Time{}, func(r *features.Run) bool {
			o := m.runtime.value(r)
			points = append(points, point{o.log, 1, o.censored})
			if !o.censored {
				group.Samples++
			}
			if group.Used && len(x.Past) < mostPast {
				x.Past = append(x.Past, predictor.PastRun{ID: r.ID, Name: r.Name, Finished: r.Finished, Runtime: r.Runtime, PeakMemory: r.Memory, Outcome: r.Outcome})
			}
			return true
		})
		if exact := (distribution{points: productLimit(points)}); len(exact.points) > 0 {
			group.Median = scale(math.Exp(exact.quantile(0.5)), time.Second)
		}
		x.Groups = append(x.Groups, group)
	}
	x.Text = m.text(s, &x)
	return x
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
	if s.RuntimeLimit > 0 {
		lines = append(lines, fmt.Sprintf("Its limit ends it after %v at the latest.", readable(s.RuntimeLimit)))
	}
	if !e.PeakMemory.IsZero() {
		lines = append(lines, fmt.Sprintf("Its largest pod should need about %v, and with 90 %% certainty at most %v.", e.PeakMemory.P50, e.PeakMemory.P90))
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
