package train

import (
	"math"
	"slices"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// fewestAlike is how many judged jobs it takes for a group to have constants of its own.
// A constant for a single job would be the job itself, which tells nothing.
const fewestAlike = 10

// hindsight is what the best constants would have reached, chosen when everything had come.
// Of each judged job they are those of the finest of its groups (features.Levels) that has
// fewestAlike judged jobs: the quantiles of what came to these, which no other constants
// beat in pinball loss, and in the absolute error none beats the p50; and of the percentiles
// the one that wastes the least memory as a request.
//
// What lies between it and zero is beyond what the groups tell apart; an estimate that does
// better knows more of the job than its group, or that the group is changing.
func (b *replay) hindsight() []outcome {
	groups := map[features.Key][]outcome{} // their judged jobs
	for i, job := range b.jobs {
		for _, k := range features.KeysOf(&b.records[job].JobSpec) {
			if k != 0 {
				groups[k] = append(groups[k], b.said[Runcast][i])
			}
		}
	}
	best := map[features.Key]outcome{}
	said := make([]outcome, len(b.jobs))
	for i, job := range b.jobs {
		var group features.Key
		for _, k := range features.KeysOf(&b.records[job].JobSpec) {
			if group = k; len(groups[k]) >= fewestAlike {
				break
			}
		} // else the last, of all jobs
		o, known := best[group]
		if !known {
			o = b.constants(groups[group])
			best[group] = o
		}
		came := b.said[Runcast][i]
		came.first = o.first
		o.actual, o.trial = came.actual, came.trial
		said[i] = o
	}
	return said
}

// constants are the best ones for a group, which are said of all of its jobs.
func (b *replay) constants(group []outcome) outcome {
	came := make([]float64, len(group))
	for i, o := range group {
		came[i] = o.actual
	}
	slices.Sort(came)
	l := predictor.Levels
	best := outcome{p10: atLevel(came, l[0]), p50: atLevel(came, l[1]), p90: atLevel(came, l[2]), p99: atLevel(came, l[3])}
	if b.Target == Memory {
		best.first = cheapest(group, came)
	}
	return best
}

// cheapest is the percentile of what came that wastes least as the request of a whole group.
func cheapest(group []outcome, came []float64) (request float64) {
	least := math.Inf(1)
	for percent := 1.0; percent <= 100; percent++ {
		first, wasted := atLevel(came, percent/100), 0.0
		for _, o := range group {
			o.first = first
			wasted += o.run(1).wastage
		}
		if wasted < least {
			least, request = wasted, first
		}
	}
	return request
}

// atLevel is the smallest of sorted values with at least level of them at or below it.
func atLevel(sorted []float64, level float64) float64 {
	return sorted[int(math.Ceil(level*float64(len(sorted))))-1]
}
