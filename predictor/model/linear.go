package model

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/sajari/regression"

	"github.com/runcast/runcast/predictor/boost"
	"github.com/runcast/runcast/predictor/features"
)

// regressions are the fits of the groups whose inputs vary.
type regressions map[features.Key]*fit

// A fit is a linear regression of a group's values on its inputs, all on a
// logarithmic scale: a product of powers of the inputs.
type fit struct {
	columns []column
	next    int // number of runs in the group at which to fit again
	// Errors of the medians that the group's runs gave with and without the
	// regression, before the value came: fading sums over the number of trials.
	with, without, trials float64
}

// A column is an input and its coefficient.
type column struct {
	input features.InputID
	slope float64
}

const (
	// fewestRows is how many runs a regression needs, and rowsPerColumn each of its columns.
	fewestRows, rowsPerColumn = 8, 4
	// mostColumns bounds a regression's inputs.
	mostColumns = 6
	// alike is the correlation above which two inputs are taken for one: the
	// library's QR divides by nearly zero then.
	alike = 0.95
	// irrelevant is the correlation with the values under which an input is left out.
	irrelevant = 0.1
	// steep is the largest slope believed.
	steep = 20
	// forgetTrial fades the errors: the latest 20 count. fewestTrials decide.
	forgetTrial, fewestTrials = 0.95, 3
	// margin by which a regression has to be better than the history.
	margin = 0.9
	// worst is the largest error counted, a factor of 7.4: one outlier does not decide.
	worst = 2
)

// winner returns the regression of a job's group if it has predicted the group better than
// its history has, nil otherwise. Only the job's own groups have any.
func (t *target) winner(keys *features.Keys, level int) *fit {
	if level >= features.OwnLevels {
		return nil
	}
	if f := t.linear[keys[level]]; f != nil && len(f.columns) > 0 && f.trials >= fewestTrials && f.wins() {
		return f
	}
	return nil
}

// wins reports whether it has been better than the history.
func (f *fit) wins() bool { return f.with <= margin*f.without }

// A shift turns what runs took into what a job with certain inputs would have taken.
type shift struct {
	fit    *fit
	to     float64          // what the regression makes of the inputs of the job
	places [mostColumns]int // of the columns in them: most runs of a group have theirs there
}

func (f *fit) shift(to features.Inputs) shift {
	s := shift{fit: f}
	for i, c := range f.columns {
		s.places[i] = max(to.Find(c.input), 0)
	}
	s.to = s.at(to)
	return s
}

// at is what the regression makes of the inputs of a run, its constant left out.
func (s *shift) at(in features.Inputs) float64 {
	sum := 0.0
	for i, c := range s.fit.columns {
		place := s.places[i]
		if place >= len(in) || in[place].ID != c.input {
			place = in.Find(c.input)
		}
		if place >= 0 {
			sum += c.slope * in[place].Value
		}
	}
	return sum
}

// shifts appends to by how much more the job would take than the runs of a level at some
// places took with their inputs, on the logarithmic scale. It is bounded: what lies farther
// apart says nothing.
func (f *fit) shifts(by []float64, q *question, level int, places []int) []float64 {
	s := f.shift(q.ask.Inputs)
	for _, at := range places {
		by = append(by, min(max(s.to-s.at(q.runs[level][at].Inputs), -farthest), farthest))
	}
	return by
}

// learnLinear tries the regression of each of the job's own groups on the value that came,
// then fits it again if it is due. Groups are as they were before the run.
func (m *Model) learnLinear(t *target, q *question, came float64) {
	for level, key := range q.keys[:features.OwnLevels] {
		runs := q.runs[level]
		if key == 0 || len(runs) < fewestRows || q.same(level) >= 0 {
			continue
		}
		f := t.linear[key]
		if f == nil {
			f = &fit{}
			t.linear[key] = f
		}
		if len(f.columns) > 0 {
			f.try(t, q, level, came)
		}
		if n := m.history.Group(key).Count; n >= f.next {
			f.columns = regress(t, runs)
			f.next = n + max(fewestRows, min(n, 2*features.Window)/2)
		}
	}
}

// trial is the room that a try needs.
type trial struct {
	known         []int
	by, far       []float64
	with, without []boost.Sample
}

var trialRoom = sync.Pool{New: func() any { return new(trial) }}

// try adds one trial: the errors of the two medians.
func (f *fit) try(t *target, q *question, level int, came float64) {
	room := trialRoom.Get().(*trial)
	defer trialRoom.Put(room)
	room.with, room.without = room.with[:0], room.without[:0]
	room.known = t.known(room.known[:0], q.runs[level])
	room.by = f.shifts(room.by[:0], q, level, room.known)
	room.far = t.distances(room.far[:0], q, level, room.known)
	age := 1.0
	for i, at := range room.known {
		if v := t.of(q.runs[level][at]); !v.Censored {
			room.with = append(room.with, boost.Sample{Value: v.Log + room.by[i], Weight: age})
			room.without = append(room.without, boost.Sample{Value: v.Log, Weight: age * similarity(room.far[i])})
			age *= ageing
		}
	}
	if len(room.with) <= fewRuns {
		return
	}
	miss := func(samples []boost.Sample) float64 { return min(math.Abs(boost.Absolute().Best(samples)-came), worst) }
	f.with = forgetTrial*f.with + miss(room.with)
	f.without = forgetTrial*f.without + miss(room.without)
	f.trials = forgetTrial*f.trials + 1
}

// regress fits the exact values of runs to their inputs; no columns if that cannot
// be done, or tells nothing. The library (github.com/sajari/regression) takes an
// n×n matrix and prints a line for each of n rows, runs once, and does not look at what it
// is given: hence one window of rows, only columns that vary, matter, and differ from one
// another, and their normal equations in the place of the rows.
func regress(t *target, runs []*features.Run) []column {
	var rows []*features.Run
	var values []float64
	for _, r := range runs {
		if v := t.of(r); v.Known && !v.Censored {
			rows, values = append(rows, r), append(values, v.Log)
		}
	}
	if len(rows) < fewestRows {
		return nil
	}
	centre(values)
	inputs := choose(rows, values)
	if len(inputs) == 0 {
		return nil
	}
	var r regression.Regression
	for range 2 { // the constant of what is centred is zero; the library wants three rows
		r.Train(regression.DataPoint(0, make([]float64, len(inputs))))
	}
	for i := range inputs {
		x := make([]float64, len(inputs))
		for j := range inputs {
			x[j] = dot(inputs[i].values, inputs[j].values)
		}
		r.Train(regression.DataPoint(dot(inputs[i].values, values), x))
	}
	if err := r.Run(); err != nil {
		return nil // the history goes on alone
	}
	columns := make([]column, len(inputs))
	for j := range inputs {
		slope := r.Coeff(j + 1)
		if !(math.Abs(slope) < steep) { // NaN as well
			return nil
		}
		columns[j] = column{inputs[j].id, slope}
	}
	return columns
}

// candidate is an input of a group's runs, and how it goes with their values.
type candidate struct {
	id          features.InputID
	values      []float64 // about their mean
	correlation float64   // absolute
}

// choose returns the inputs to fit to values about their mean, the one that goes best with
// them first.
func choose(rows []*features.Run, values []float64) []candidate {
	var all []candidate
	for _, in := range rows[len(rows)-1].Inputs {
		c := candidate{id: in.ID, values: make([]float64, len(rows))}
		for i, r := range rows {
			c.values[i] = r.Input(in.ID)
		}
		centre(c.values)
		c.correlation = math.Abs(correlation(c.values, values))
		if c.correlation > irrelevant {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.correlation, a.correlation) })
	var chosen []candidate
	for _, c := range all {
		if len(chosen) == min(mostColumns, len(rows)/rowsPerColumn) {
			break
		}
		if !slices.ContainsFunc(chosen, func(o candidate) bool { return math.Abs(correlation(c.values, o.values)) > alike }) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// centre takes the mean of values from each.
func centre(values []float64) {
	mean := 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for i := range values {
		values[i] -= mean
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// correlation of values about their means is Pearson's, zero if either hardly varies.
func correlation(a, b []float64) float64 {
	n, aa, bb := float64(len(a)), dot(a, a), dot(b, b)
	if aa < 1e-6*n || bb < 1e-12*n {
		return 0
	}
	return dot(a, b) / math.Sqrt(aa*bb)
}
