package model

import (
	"time"

	"github.com/runcast/runcast/predictor/features"
)

const (
	// forgetting is the weight of a run against that of the next newer one of its
	// group: half after 14 runs.
	forgetting = 0.95
	// shrinkage is how many runs of a group weigh as much as its parent.
	shrinkage = 2
	// negligible is the share of the weight at which coarser groups no longer matter.
	negligible = 0.02
	// enough runs of its own make an estimate that is not cold.
	enough = 3
)

// forecast pools what the groups of a job know of a target at a time (the zero
// time is now): each group's runs weigh n/(n+shrinkage) of what the finer groups
// left, so that a group with few runs is shrunk towards its parents. ok is false
// if nothing is known.
func (m *Model) forecast(t *target, keys *features.Keys, at time.Time) (d distribution, ok bool) {
	points := make([]point, 0, 2*features.Window)
	rest, most := 1.0, 0.0
	for level, key := range keys {
		g := m.history.Group(key)
		if g == nil {
			continue
		}
		from, runs, total, weight := len(points), 0, 0.0, 1.0
		g.At(at, func(r *features.Run) bool {
			if o := t.value(r); o.known && !o.censored {
				points = append(points, point{o.log, weight, o.censored})
				total += weight
				weight *= forgetting
				runs++
			}
			return true
		})
		if runs == 0 {
			continue
		}
		share := rest * total / (total + shrinkage)
		for i := from; i < len(points); i++ {
			points[i].weight *= share / total
		}
		if share > most {
			most, d.level, d.runs = share, level, runs
		}
		if rest -= share; rest < negligible {
			break
		}
	}
	if len(points) == 0 {
		return d, false
	}
	for i := range points {
		points[i].weight /= 1 - rest
	}
	d.points = productLimit(points)
	d.cold = d.level > features.OwnLevels || d.runs < enough
	return d, true
}
