package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// A Predictor answers for jobs in simulated time. It must not look at
// Job.Runtime before Observe has been called for the job.
type Predictor interface {
	// Estimate is asked once for each job, at its submission. A zero Runtime means
	// that nothing is known.
	Estimate(j *Job) (predictor.Estimate, error)
	// Remaining tells how much longer a job takes that has run for elapsed, given
	// what Estimate said of it. Zero means unknown.
	Remaining(j *Job, e *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error)
	// Observe is told of each run when it ends, those killed for too little memory
	// included.
	Observe(r *predictor.JobRecord) error
}

// NewPredictor returns a predictor by its name: "oracle", "request", "last2" or
// "noise:SIGMA". Draws of noise depend on the seed and on the job only.
func NewPredictor(name string, seed uint64) (Predictor, error) {
	switch name {
	case "oracle":
		return oracle{}, nil
	case "request":
		return &request{runs: runs{}}, nil
	case "last2":
		return &last2{request: request{runs: runs{}}}, nil
	}
	if text, ok := strings.CutPrefix(name, "noise:"); ok {
		sigma, err := strconv.ParseFloat(text, 64)
		if err != nil || !(sigma >= 0 && sigma <= 10) {
			return nil, fmt.Errorf("predictor %q: expected a sigma from 0 to 10", name)
		}
		return &noise{sigma: sigma, seed: seed}, nil
	}
	return nil, fmt.Errorf("unknown predictor %q, expected oracle, request, last2 or noise:SIGMA", name)
}

func exactly(d time.Duration) predictor.Estimate {
	return predictor.Estimate{Runtime: predictor.Exactly(d), MeanRuntime: d}
}

// left is the remaining time of a job that is to run for total; at least a second.
func left(total, elapsed time.Duration) predictor.Quantiles[time.Duration] {
	return predictor.Exactly(max(total-elapsed, time.Second))
}

// oracle knows every runtime and every peak.
type oracle struct{}

func (oracle) Estimate(j *Job) (predictor.Estimate, error) {
	e := exactly(j.Runtime)
	e.MemoryRequest = j.PeakMemory
	return e, nil
}

func (oracle) Remaining(j *Job, _ *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	return left(j.Runtime, elapsed), nil
}

func (oracle) Observe(*predictor.JobRecord) error { return nil }

// runs are the last ten runtimes of each key, oldest first.
type runs map[string][]time.Duration

func (r runs) observe(key string, d time.Duration) {
	last := append(r[key], d)
	r[key] = last[max(len(last)-10, 0):]
}

// keys are the groups of a job in key_median, finest first.
func keys(j *predictor.JobSpec) [3]string {
	return [3]string{j.User + "\x00" + features.RunName(j), j.User, ""}
}

// median is that of the finest group of j that has any run.
func (r runs) median(j *Job) (time.Duration, bool) {
	for level, key := range keys(&j.JobSpec) {
		if last := r[strconv.Itoa(level)+key]; len(last) > 0 {
			sorted := slices.Sorted(slices.Values(last))
			return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2, true
		}
	}
	return 0, false
}

// request believes the runtime limit; a job without one gets the median of the
// last ten runs of its user and name, else of its user, else of all.
type request struct{ runs runs }

func (p *request) Estimate(j *Job) (predictor.Estimate, error) {
	if j.RuntimeLimit > 0 {
		return exactly(j.RuntimeLimit), nil
	}
	if d, ok := p.runs.median(j); ok {
		return exactly(d), nil
	}
	return predictor.Estimate{}, nil
}

func (p *request) Remaining(_ *Job, e *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	total := e.Runtime.P50
	if total == 0 {
		return predictor.Quantiles[time.Duration]{}, nil
	}
	for total <= elapsed { // only a job without a limit outlives it
		total *= 2
	}
	return left(total, elapsed), nil
}

func (p *request) Observe(r *predictor.JobRecord) error {
	for level, key := range keys(&r.JobSpec) {
		p.runs.observe(strconv.Itoa(level)+key, r.Runtime())
	}
	return nil
}

// last2 is the mean of the user's last two finished runtimes, at most the limit
// (Tsafrir, Etsion and Feitelson, TPDS 2007); the request while there are fewer.
type last2 struct{ request }

func (p *last2) Estimate(j *Job) (predictor.Estimate, error) {
	last := p.runs["1"+j.User]
	if len(last) < 2 {
		return p.request.Estimate(j)
	}
	mean := (last[len(last)-1] + last[len(last)-2]) / 2
	if j.RuntimeLimit > 0 {
		mean = min(mean, j.RuntimeLimit)
	}
	return exactly(max(mean.Truncate(time.Second), time.Second)), nil
}

func (p *last2) Remaining(j *Job, e *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	if e.Runtime.IsZero() {
		return e.Runtime, nil
	}
	return left(corrected(e.Runtime.P50, elapsed, j.RuntimeLimit), elapsed), nil
}

// corrections are added to an estimate that a job has outlived, one after the
// other (Tsafrir, Etsion and Feitelson, TPDS 2007).
var corrections = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 20 * time.Hour, 50 * time.Hour, 100 * time.Hour,
}

// corrected is the estimate as corrected for a job that has run for elapsed, at
// most its limit, if it has one, and else at least elapsed.
func corrected(estimate, elapsed, limit time.Duration) time.Duration {
	total := estimate
	for _, c := range corrections {
		if total > elapsed {
			break
		}
		total = estimate + c
	}
	if limit > 0 && (total > limit || total <= elapsed) {
		return limit
	}
	return max(total, elapsed)
}

// noise errs by a lognormal factor: what it says is the truth times exp(sigma × a
// standard normal draw), and it knows its sigma.
type noise struct {
	sigma float64
	seed  uint64
}

func (p *noise) Estimate(j *Job) (predictor.Estimate, error) {
	rng := rand.New(rand.NewPCG(p.seed, hash(j.ID)))
	median := j.Runtime.Seconds() * math.Exp(p.sigma*rng.NormFloat64())
	e := predictor.Estimate{Runtime: p.given(median, 0).Capped(j.RuntimeLimit)}
	e.MeanRuntime = e.Runtime.P50
	return e, nil
}

func hash(s string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func (p *noise) Remaining(j *Job, e *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	total := p.given(e.Runtime.P50.Seconds(), elapsed).Capped(j.RuntimeLimit)
	return total.Map(func(d time.Duration) time.Duration { return max(d-elapsed, time.Second) }), nil
}

// given is the lognormal distribution with a median, in seconds, of what lasts
// longer than elapsed.
func (p *noise) given(median float64, elapsed time.Duration) predictor.Quantiles[time.Duration] {
	beyond := 1.0 // share that lasts longer
	if elapsed > 0 && p.sigma > 0 {
		beyond = math.Erfc(math.Log(elapsed.Seconds()/median)/p.sigma/math.Sqrt2) / 2
	}
	var v [4]time.Duration
	for i, level := range predictor.Levels {
		z := math.Sqrt2 * math.Erfcinv(2*beyond*(1-level))
		if p.sigma == 0 {
			z = 0
		}
		x := median * math.Exp(p.sigma*z)
		if beyond < 1e-300 || x > predictor.MaxDuration.Seconds() { // far beyond all it knows: as long again
			x = 2 * elapsed.Seconds()
		}
		v[i] = max(time.Duration(x*float64(time.Second)), elapsed)
	}
	return predictor.Quantiles[time.Duration]{P10: v[0], P50: v[1], P90: v[2], P99: v[3]}
}

func (p *noise) Observe(*predictor.JobRecord) error { return nil }
