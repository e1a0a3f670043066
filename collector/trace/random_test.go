package trace_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/runcast/runcast/predictor"
)

// randomRecord is a valid record with anything in it that the CSV has a column for.
func randomRecord(rng *rand.Rand, id int) predictor.JobRecord {
	maybe := func() bool { return rng.IntN(3) > 0 }
	var r predictor.JobRecord
	r.ID = fmt.Sprintf("%d%s", id, randomText(rng))
	for _, s := range []*string{&r.Cluster, &r.Namespace, &r.User, &r.Queue, &r.Name, &r.Owner, &r.Family, &r.Image, &r.Command, &r.GPUModel, &r.NodeType} {
		if maybe() {
			*s = randomText(rng)
		}
	}
	at := time.Unix(rng.Int64N(9e9)-2e9, rng.Int64N(1e9)).UTC()
	if maybe() {
		r.Submitted = at
	}
	if maybe() {
		at = at.Add(randomSpan(rng, 1e6))
		r.Started = at
	}
	r.Finished = at.Add(randomSpan(rng, 1e6))
	if maybe() {
		r.Outcome = predictor.Outcomes[rng.IntN(len(predictor.Outcomes))]
	}
	if maybe() {
		r.Priority = int32(rng.Uint32())
		r.Pods = rng.IntN(predictor.MaxPods + 1)
		r.Requests = predictor.Resources{CPUCores: randomFloat(rng, predictor.MaxCores), Memory: randomBytes(rng), GPUs: randomFloat(rng, 8)}
		r.RuntimeLimit = randomSpan(rng, predictor.MaxDuration.Seconds())
		r.ExpectedRuntime = randomSpan(rng, 1e4)
	}
	if maybe() {
		r.PeakMemory, r.PeakGPUMemory = randomBytes(rng), randomBytes(rng)
		cpu, gpu := randomFloat(rng, math.MaxFloat64), randomFloat(rng, 1)
		r.CPUSeconds, r.GPUUtilization = &cpu, &gpu
	}
	for range rng.IntN(4) {
		if r.Features == nil {
			r.Features = map[string]predictor.Feature{}
		}
		f := predictor.Feature{Number: randomFloat(rng, 1e30) - randomFloat(rng, 1e30)}
		if maybe() {
			f = predictor.Feature{Text: randomText(rng)}
		}
		r.Features[featureNames[rng.IntN(len(featureNames))]] = f
	}
	return r
}

var featureNames = []string{"epochs", "input bytes", "a,b", `"`, "dataset", "é"}

// randomText draws from what CSV, JSON and number readers trip over; it is not empty.
func randomText(rng *rand.Rand) string {
	pieces := []string{`"`, `""`, `\`, ",", "\n", "\r\n", "\r", " ", "0", "42", "-1.5", "1e9", "007", "abc", "é", "\u2028", "\x00", `"42"`, `"\r"`, "#", "<", "\ufeff", ";", "=1+1", "NaN"}
	s := ""
	for range 1 + rng.IntN(3) {
		s += pieces[rng.IntN(len(pieces))]
	}
	return s
}

func randomSpan(rng *rand.Rand, seconds float64) time.Duration {
	switch rng.IntN(3) {
	case 0:
		return time.Duration(rng.Int64N(int64(seconds))) * time.Second
	case 1:
		return time.Duration(rng.Int64N(int64(seconds*1e3))) * time.Millisecond
	}
	return time.Duration(rng.Int64N(int64(seconds * 1e9)))
}

// randomFloat is from 0 to limit, of any magnitude.
func randomFloat(rng *rand.Rand, limit float64) float64 {
	switch rng.IntN(4) {
	case 0:
		return 0
	case 1:
		return math.Min(float64(rng.IntN(100)), limit)
	case 2:
		return rng.Float64() * limit
	}
	return math.Min(math.Exp(rng.Float64()*80-40), limit)
}

func randomBytes(rng *rand.Rand) predictor.Bytes {
	return predictor.Bytes(rng.Int64N(int64(predictor.MaxMemory)) >> rng.IntN(50))
}
