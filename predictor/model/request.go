package model

import (
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// The policy of memory requests. One that is too large costs what is not used; one that
// is too small costs all that the attempt held, the wait for the next one, and what that
// holds. Which of a few ways to size a job costs least is seen from what each would have
// cost those before it (choice).
const (
	requestLevel = 0.99
	// mostLevel is that of the largest run of a pool, or nearly.
	mostLevel = 0.999
	// requestHeadroom is the factor beyond what is to be expected: the measure is
	// sampled, and the same job does not take the same each time.
	requestHeadroom = 1.02
	// caution is how much of the distance from the median to the quantile, on the
	// logarithmic scale, is added when no run is known; with n runs it is 1/(n+1) of
	// that, the chance that the next one is the largest. mostCaution bounds the factor.
	caution, mostCaution = 2, 2
	// trusted runs of its own make the largest of them the most that a job is given
	// beside the headroom and the caution, unless half of such jobs need more: then a
	// regression knows of larger inputs.
	trusted = 10
	// After an OOM kill a job gets the largest amount seen and 5 %, after another one
	// twice the largest, which has grown by then.
	afterKill, afterKills = 1.05, 2
)

// A sizing is a way to size a job.
type sizing int

const (
	// cautious is the quantile of the estimate at requestLevel, with caution.
	cautious  sizing = iota
	byPool           // the largest run that the estimate rests on
	byLargest        // the largest of the job's own latest runs
	byHighest        // their quantile at requestLevel
	numSizings
)

// requests are those of one job by each of the ways, in bytes.
type requests [numSizings]float64

// sizings sizes a job, where x is what is known of its peak: by no way to more than its user
// asks for, as long as none of its runs took more than was asked for it. While a job has no
// runs of its own, the estimate stands in for them.
func (m *Model) sizings(q *question, x *mixture, own *peaks) requests {
	t := &m.targets[features.Memory]
	median := x.quantile(0.5)
	within := func(high float64) float64 {
		if own.measured < trusted {
			return high
		}
		return min(high, max(math.Log(float64(own.largest)), median))
	}
	high := x.upper(t.calibration.of(x)[1].level(requestLevel))
	careful := min(caution*max(high-median, 0)/float64(own.runs+1), math.Log(mostCaution))
	var r requests
	r[cautious] = math.Exp(within(high) + careful)
	r[byPool] = math.Exp(within(x.upper(mostLevel)))
	r[byLargest], r[byHighest] = own.upper(1), own.upper(requestLevel)
	if own.measured == 0 {
		r[byLargest] = math.Exp(x.upper(requestLevel))
		r[byHighest] = r[byLargest]
	}
	most := math.Inf(1)
	if asked := q.ask.Words[features.Memory]; own.within >= enough && own.beyond == 0 && asked > 0 { // not NaN
		most = math.Exp(asked)
	}
	for i := range r {
		r[i] = min(r[i]*requestHeadroom, most)
	}
	return r
}

// request returns what a job should ask for, where x is what is known of its peak.
func (m *Model) request(q *question, x *mixture) predictor.Bytes {
	own := m.ownPeaks(q, time.Time{})
	by := m.sizings(q, x, &own)
	ask := scale(by[m.choice.of(q.own(), own.runs, &by)], predictor.Bytes(1))
	switch {
	case own.kills == 1:
		ask = max(ask, scale(afterKill*float64(own.largest), predictor.Bytes(1)))
	case own.kills > 1:
		ask = max(ask, afterKills*own.largest)
	}
	return min(ask, predictor.MaxMemory)
}

// learnRequest compares what each way would have cost a job with what it took.
func (m *Model) learnRequest(q *question, x *mixture, took predictor.Bytes) {
	own := m.ownPeaks(q, q.at)
	by := m.sizings(q, x, &own)
	m.choice.learn(q.own(), own.runs, &by, float64(took), float64(own.largest))
}

// peaks are what the latest runs of a job's own have needed, up to tailWindow.
type peaks struct {
	runs     int
	measured int                // of those; not those killed
	within   int                // of those measured that took at most what was asked for them
	beyond   int                // that took more
	largest  predictor.Bytes    // measured, or held when killed
	kills    int                // OOM kills since the latest that was measured
	top      [4]predictor.Bytes // the largest measured, in descending order; enough for requestLevel
}

// ownPeaks returns what had been needed at some time; the zero time is now.
func (m *Model) ownPeaks(q *question, at time.Time) peaks {
	runs := m.ownLatest(q, at)
	own := peaks{runs: len(runs)}
	for _, r := range slices.Backward(runs) {
		own.largest = max(own.largest, r.Memory)
		switch {
		case r.MemoryCensored && own.measured == 0:
			own.kills++
		case r.Memory > 0 && !r.MemoryCensored:
			own.measured++
			own.enter(r.Memory)
		}
		switch v := r.Values[features.Memory]; {
		case v.Log <= v.Word:
			own.within++
		case v.Log > v.Word:
			own.beyond++
		}
	}
	return own
}

// enter keeps a peak if it is among the largest.
func (p *peaks) enter(peak predictor.Bytes) {
	for i := range p.top {
		if peak > p.top[i] {
			peak, p.top[i] = p.top[i], peak
		}
	}
}

// upper returns the quantile at a level of 0.99 or more, in bytes, linear between the two
// nearest peaks; zero if there are none.
func (p *peaks) upper(level float64) float64 {
	below, part := math.Modf((1 - level) * float64(max(p.measured-1, 0)))
	i := int(below)
	high := float64(p.top[i])
	if part == 0 {
		return high
	}
	return high - part*(high-float64(p.top[i+1]))
}
