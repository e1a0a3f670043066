package model

import (
	"math"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// A target is one quantity that is estimated, and what has been learned about
// estimating it. All values are natural logarithms.
type target struct {
	quantity
	backoff     backoff
	calibration calibration
	linear      regressions
	tilt        tilt
}

// A quantity is how a target is read.
type quantity struct {
	// of returns what a run tells.
	of func(*features.Run) observation
	// word returns the user's own word, if there is one.
	word func(*features.Ask) (log float64, ok bool)
	// fixesWord reports whether all jobs of a level's group have the same word.
	fixesWord func(features.Level) bool
	// smallest is the value at which the magnitudes of the calibration begin.
	smallest float64
}

// An observation is the logarithm of a run's value, or of a lower bound on it if
// censored; nothing unless known.
type observation struct {
	log             float64
	known, censored bool
}

var runtimeQuantity = quantity{
	of: func(r *features.Run) observation {
		return observe(r.LogRuntime, r.Outcome, r.RuntimeCensored)
	},
	word:      func(a *features.Ask) (float64, bool) { return a.LogRuntimeWord, a.RuntimeWord > 0 },
	fixesWord: features.Level.FixesLimit,
	smallest:  2, // 7 s
}

var memoryQuantity = quantity{
	of: func(r *features.Run) observation {
		if r.Memory <= 0 {
			return observation{}
		}
		if r.MemoryCensored {
			return observation{log: r.LogMemory, known: true, censored: true}
		}
		return observe(r.LogMemory, r.Outcome, r.RuntimeCensored)
	},
	word:      func(a *features.Ask) (float64, bool) { return a.LogMemoryWord, a.MemoryWord > 0 },
	fixesWord: features.Level.FixesRequests,
	smallest:  16, // 8 MiB
}

// observe tells what an unfinished run says. One that was stopped from outside (a
// limit, an eviction, the kernel) would have gone on: its value is a lower bound,
// and independent of what would have come, as Kaplan and Meier ask. One that failed
// or was cancelled ended for a reason of its own, most often early: it says nothing
// of those that succeed. On KTH, taking these for lower bounds makes the mean error
// 14 % larger.
func observe(log float64, o predictor.Outcome, censored bool) observation {
	if o == predictor.Failed || o == predictor.Cancelled {
		return observation{}
	}
	return observation{log, true, censored}
}

// kernelWidth is how far apart two inputs, on their logarithmic scale, make one run
// count 1/e for the other: a factor of 1.65. From 0.25 to 1 the traces differ little.
const kernelWidth = 0.5

// farthest bounds the distance, so that no weight vanishes altogether.
const farthest = 20

// similarity is how much a run counts for a job by what both ask for: one if they
// ask for the same, less the more the user's word and the declared inputs differ.
// What only one of them has does not count.
func (q *quantity) similarity(a, b *features.Ask) float64 {
	distance := 0.0
	if x, ok := q.word(a); ok {
		if y, ok := q.word(b); ok {
			distance = math.Abs(x - y)
		}
	}
	for i, j := 0, 0; i < len(a.Inputs) && j < len(b.Inputs); {
		x, y := &a.Inputs[i], &b.Inputs[j]
		if x.Kind != features.Declared || y.Kind != features.Declared {
			break // those come first
		}
		switch {
		case x.ID < y.ID:
			i++
		case x.ID > y.ID:
			j++
		default:
			distance += math.Abs(x.Value - y.Value)
			i, j = i+1, j+1
		}
	}
	if distance == 0 {
		return 1
	}
	return math.Exp(-min(distance, farthest) / kernelWidth)
}
