package model

import (
	"math"
	"slices"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// The policy of memory requests. One that is too large costs what is not used; one that
// is too small costs all that the attempt held, the wait for the next one, and what that
// holds. Hence a high quantile and a little more, with the caution that few runs ask for.
const (
	requestLevel = 0.99
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

// request returns what a job should ask for, where x is what is known of its peak. That
// is no more than its user asks for, as long as none of its runs took more than was asked
// for it.
func (m *Model) request(q *question, x *mixture) predictor.Bytes {
	t := &m.targets[features.Memory]
	high := x.upper(t.calibration.of(x)[1].level(requestLevel))
	median := x.quantile(0.5)
	spread := max(high-median, 0)
	own := m.ownPeaks(q)
	if own.measured >= trusted {
		high = min(high, max(math.Log(float64(own.largest)), median))
	}
	high += min(caution*spread/float64(own.runs+1), math.Log(mostCaution))
	ask := scale(requestHeadroom*math.Exp(high), predictor.Bytes(1))
	switch {
	case own.kills == 1:
		ask = max(ask, scale(afterKill*float64(own.largest), predictor.Bytes(1)))
	case own.kills > 1:
		ask = max(ask, afterKills*own.largest)
	case own.within >= enough && own.beyond == 0 && q.ask.Words[features.Memory] > 0: // not NaN
		ask = min(ask, scale(math.Exp(q.ask.Words[features.Memory]), predictor.Bytes(1)))
	}
	return min(ask, predictor.MaxMemory)
}

// peaks are what the runs of a job's own have needed.
type peaks struct {
	runs     int             // that have been observed
	measured int             // of those remembered; not those killed
	within   int             // of those measured that took at most what was asked for them
	beyond   int             // that took more
	largest  predictor.Bytes // measured, or held when killed
	kills    int             // OOM kills since the latest that was measured
}

func (m *Model) ownPeaks(q *question) peaks {
	level := q.keys.Own()[0]
	if len(q.runs[level]) == 0 {
		return peaks{}
	}
	own := peaks{runs: m.history.Group(q.keys[level]).Count}
	for _, r := range slices.Backward(q.runs[level]) {
		own.largest = max(own.largest, r.Memory)
		switch {
		case r.MemoryCensored && own.measured == 0:
			own.kills++
		case r.Memory > 0 && !r.MemoryCensored:
			own.measured++
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
