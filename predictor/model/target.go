package model

import (
	"math"
	"slices"

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
	tail        tail // of the runtime
}

// A quantity is how a target is read.
type quantity struct {
	features.Target
	// fixesWord reports whether all jobs of a level's group have the same word; nil if
	// there never is one.
	fixesWord func(features.Level) bool
}

var quantities = [features.NumTargets]quantity{
	{features.Runtime, features.Level.FixesLimit},
	{features.Memory, features.Level.FixesRequests},
	{features.CPU, features.Level.FixesRequests},
	{features.GPUMemory, nil},
	{features.GPUUtilization, nil},
}

// smallest is where the magnitudes of a target's calibration begin: 7 s, 8 MiB, 7
// thousandths of a core, 64 MiB, a thousandth of the time.
var smallest = [features.NumTargets]float64{2, 16, -5, 18, -7}

// of returns what a run tells.
func (q *quantity) of(r *features.Run) *features.Value { return &r.Values[q.Target] }

// known appends to known the places of the runs that tell of it, newest first. Runs lie
// scattered in memory: a loop that only looks at them has them all fetched at once.
func (q *quantity) known(known []int, runs []*features.Run) []int {
	for i, r := range slices.Backward(runs) {
		if q.of(r).Known {
			known = append(known, i)
		}
	}
	return known
}

// kernelWidth is how far apart two inputs, on their logarithmic scale, make one run
// count 1/e for the other: a factor of 1.65. From 0.25 to 1 the traces differ little.
const kernelWidth = 0.5

// farthest bounds the distance, so that no weight vanishes altogether.
const farthest = 20

// similarity is how much a run counts for a job that it is so far from (distances): one if both
// ask for the same, less the more that differs.
func similarity(far float64) float64 {
	if far == 0 {
		return 1
	}
	return math.Exp(-min(far, farthest) / kernelWidth)
}

// distances appends to far how far the runs of a level at some places are from the job by
// what both ask for: the differences between the user's words and between the declared
// inputs. What only one of them has does not count.
func (t *target) distances(far []float64, q *question, level int, places []int) []float64 {
	runs, word, declared := q.runs[level], q.ask.Words[t.Target], q.apart(level)
	for _, at := range places {
		distance := 0.0
		if d := math.Abs(t.of(runs[at]).Word - word); d > 0 { // not NaN
			distance = d
		}
		if declared != nil {
			distance += declared[at]
		}
		far = append(far, distance)
	}
	return far
}

// apart is the sum of the differences between the declared inputs that a and b have.
func apart(a, b features.Inputs) float64 {
	sum := 0.0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x, y := &a[i], &b[j]
		if x.Kind != features.Declared || y.Kind != features.Declared {
			break
		}
		switch {
		case x.ID < y.ID:
			i++
		case x.ID > y.ID:
			j++
		default:
			sum += math.Abs(x.Value - y.Value)
			i, j = i+1, j+1
		}
	}
	return sum
}
