package model

import (
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor/features"
)

// columns describe a job to the trees of a tilt: its distribution, three of its
// groups, what it asks for, and when. NaN is what is not known.
type columns [numColumns]float32

const (
	distributionColumns = 7
	groupColumns        = 7
	slots               = 16 // that the inputs found and declared are spread over, by ID
	askColumns          = 2 + len(features.Requests) + slots
	timeColumns         = 2
	numColumns          = distributionColumns + 3*groupColumns + askColumns + timeColumns
)

// A filler writes columns one after the other.
type filler struct {
	x  *columns
	at int
}

func (f *filler) put(values ...float64) {
	for _, v := range values {
		f.x[f.at] = float32(v)
		f.at++
	}
}

// columns fills in x for a job of which the pool says d. Values of the target count from
// the median of d.
func (q *question) columns(t *target, d *distribution, x *columns) {
	f := filler{x: x}
	p50 := d.quantile(0.5)
	f.put(p50, d.quantile(0.1)-p50, d.quantile(0.9)-p50, math.Log(d.mean())-p50,
		float64(d.level), float64(d.exact), float64(len(d.steps)))
	own := slices.IndexFunc(q.runs[:], func(runs []*features.Run) bool { return len(runs) > 0 })
	for _, level := range [...]int{own, features.LevelUser, features.NumLevels - 1} {
		f.group(t, q.runs[level], q.at, p50)
	}
	f.ask(t, &q.ask, p50)
	f.time(q.at)
}

// group writes what a group's runs say by themselves: how many, the last, the mean of
// the last three and of all and the spread of these, the newest counting most, how
// long ago the last one ended, and how many of the last eight did not succeed.
func (f *filler) group(t *target, runs []*features.Run, now time.Time, origin float64) {
	const (
		ageing = 0.9
		newest = 8
	)
	var n, last, three, sum, squares, weight float64
	age := 1.0
	for _, r := range slices.Backward(runs) {
		came := t.of(r)
		if !came.Known || came.Censored {
			continue
		}
		v := came.Log - origin
		if n == 0 {
			last = v
		}
		if n < 3 {
			three += v
		}
		n++
		sum, squares, weight, age = sum+age*v, squares+age*v*v, weight+age, age*ageing
	}
	unfinished, since := 0.0, math.NaN()
	if len(runs) > 0 && !now.IsZero() {
		since = math.Log1p(max(now.Sub(runs[len(runs)-1].Finished).Seconds(), 0))
	}
	for _, r := range runs[max(0, len(runs)-newest):] {
		if r.RuntimeCensored {
			unfinished++
		}
	}
	if n == 0 {
		f.put(0, math.NaN(), math.NaN(), math.NaN(), math.NaN(), since, unfinished)
		return
	}
	mean := sum / weight
	f.put(n, last, three/min(n, 3), mean, math.Sqrt(max(squares/weight-mean*mean, 0)), since, unfinished)
}

// ask writes the user's word and the inputs.
func (f *filler) ask(t *target, a *features.Ask, origin float64) {
	word := a.Words[t.Target]
	f.put(word, word-origin)
	for _, id := range features.Requests {
		f.put(a.Input(id))
	}
	spread := f.x[f.at : f.at+slots]
	for i := range spread {
		spread[i] = float32(math.NaN())
	}
	for _, in := range a.Inputs {
		if in.Kind != features.Requested {
			spread[in.ID%slots] = float32(in.Value)
		}
	}
	f.at += slots
}

// time writes the hour of the day and the day of the week, UTC.
func (f *filler) time(t time.Time) {
	if t.IsZero() {
		f.put(math.NaN(), math.NaN())
		return
	}
	t = t.UTC()
	f.put(float64(t.Hour())+float64(t.Minute())/60, float64(t.Weekday()))
}
