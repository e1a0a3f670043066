package sim

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

func job(id, user, name string, runtime, limit time.Duration) *Job {
	j := &Job{Runtime: runtime}
	j.ID, j.User, j.Name, j.RuntimeLimit = id, user, name, limit
	return j
}

func TestPredictorNames(t *testing.T) {
	for _, name := range []string{"oracle", "request", "last2", "noise:0", "noise:1.5"} {
		if _, err := NewPredictor(name, 1); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "crystal", "noise:", "noise:x", "noise:-1", "noise:NaN", "noise:11"} {
		if _, err := NewPredictor(name, 1); err == nil {
			t.Errorf("%q is taken for a predictor", name)
		}
	}
}

// TestHistoryPredictors tells what request and last2 say of one user's jobs, each
// asked when it is submitted and told when it ends.
func TestHistoryPredictors(t *testing.T) {
	const m = time.Minute
	request, _ := NewPredictor("request", 0)
	last2, _ := NewPredictor("last2", 0)
	for _, c := range []struct {
		job           *Job
		request, last time.Duration // 0: unknown
	}{
		{job("1", "u", "a", 10*m, 0), 0, 0},             // nothing is known
		{job("2", "u", "b", 30*m, 0), 10 * m, 10 * m},   // one run of the user
		{job("3", "u", "a", 20*m, 0), 10 * m, 20 * m},   // one of user and name; two of the user
		{job("4", "v", "a", 60*m, 0), 20 * m, 20 * m},   // those of all
		{job("5", "u", "a", 1*m, 15*m), 15 * m, 15 * m}, // the limit, which also caps
		{job("6", "u", "c", 9*m, 40*m), 40 * m, 10*m + 30*time.Second},
	} {
		for _, p := range []struct {
			Predictor
			want time.Duration
		}{{request, c.request}, {last2, c.last}} {
			e, err := p.Estimate(c.job)
			if err != nil || e.Runtime.P50 != p.want {
				t.Errorf("job %s: %T says %v (%v), not %v", c.job.ID, p.Predictor, e.Runtime.P50, err, p.want)
			}
			if err := p.Observe(&predictor.JobRecord{JobSpec: c.job.JobSpec, Started: epoch, Finished: epoch.Add(c.job.Runtime)}); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestCorrections follows an estimate of 100 s that its job outlives.
func TestCorrections(t *testing.T) {
	const s = time.Second
	for _, c := range []struct{ elapsed, limit, want time.Duration }{
		{0, 0, 100 * s}, {99 * s, 0, 100 * s}, {100 * s, 0, 160 * s}, {160 * s, 0, 400 * s}, {401 * s, 0, 1000 * s},
		{100 * s, 130 * s, 130 * s}, {1e6 * s, 0, 1e6 * s}, {1e6 * s, 2e6 * s, 2e6 * s},
	} {
		if got := corrected(100*s, c.elapsed, c.limit); got != c.want {
			t.Errorf("after %v with limit %v: %v, not %v", c.elapsed, c.limit, got, c.want)
		}
	}
}

// TestNoise checks that noise knows itself: runtimes are below its quantiles as
// often as these say.
func TestNoise(t *testing.T) {
	for _, sigma := range []string{"0.3", "1", "2"} {
		p, _ := NewPredictor("noise:"+sigma, 42)
		var below [4]float64
		n := 0.0
		var wrong []float64
		for i := range 20_000 {
			j := job(strconv.Itoa(i), "u", "a", 1000*time.Second, 0)
			e, _ := p.Estimate(j)
			again, _ := p.Estimate(j)
			if e != again {
				t.Fatal("noise says something else when asked again")
			}
			n++
			wrong = append(wrong, math.Log(e.Runtime.P50.Seconds()/1000))
			for k, q := range e.Runtime.Values() {
				if j.Runtime <= q {
					below[k]++
				}
			}
		}
		for k, level := range predictor.Levels {
			if math.Abs(below[k]/n-level) > 0.015 {
				t.Errorf("sigma %s: %.3f of the runtimes are below the %.2f quantile", sigma, below[k]/n, level)
			}
		}
		slices.Sort(wrong)
		if math.Abs(wrong[len(wrong)/2]) > 0.05 {
			t.Errorf("sigma %s: the median error is a factor of %.2f", sigma, math.Exp(wrong[len(wrong)/2]))
		}
	}
}

// TestNoiseRemaining checks the conditional distribution against its definition:
// of draws from the lognormal that last longer than elapsed, a share equal to each
// level ends by the quantile at that level.
func TestNoiseRemaining(t *testing.T) {
	p := &noise{sigma: 0.8}
	const median = 1000.0
	for _, elapsed := range []time.Duration{0, 100 * time.Second, 1000 * time.Second, 5000 * time.Second, 1e5 * time.Second} {
		q := p.given(median, elapsed)
		beyond := func(x time.Duration) float64 {
			return math.Erfc(math.Log(x.Seconds()/median)/p.sigma/math.Sqrt2) / 2
		}
		for k, level := range predictor.Levels {
			share := 1 - beyond(q.Values()[k])/beyond(elapsed)
			if elapsed == 0 {
				share = 1 - beyond(q.Values()[k])
			}
			if math.Abs(share-level) > 1e-3 {
				t.Errorf("after %v: %.4f end by the %.2f quantile", elapsed, share, level)
			}
		}
	}
	if q := p.given(1, 1e9*time.Second); !q.Valid() || q.P50 < 1e9*time.Second {
		t.Errorf("far beyond all it knows, it says %v", q)
	}
}
