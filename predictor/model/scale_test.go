package model

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A value that is seen again is estimated to the last digit: a quantile a hair below
// it would not cover it.
func TestScaleReturnsWhatWasSeen(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		seconds := time.Duration(math.Exp(rng.Float64()*math.Log(1e5))) * time.Second
		if got := scale(math.Exp(math.Log(seconds.Seconds())), time.Second); got != seconds {
			t.Fatalf("%v comes back as %v", seconds, got)
		}
		bytes := predictor.Bytes(math.Exp(rng.Float64() * math.Log(float64(predictor.TiB))))
		if got := scale(math.Exp(math.Log(float64(bytes))), predictor.Bytes(1)); got != bytes {
			t.Fatalf("%d bytes come back as %d", bytes, got)
		}
	}
}
