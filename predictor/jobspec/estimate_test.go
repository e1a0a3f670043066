package jobspec_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

func TestAnnotations(t *testing.T) {
	e := predictor.Estimate{
		Runtime:    predictor.Quantiles[time.Duration]{P10: 1500 * time.Millisecond, P50: time.Minute, P90: time.Hour, P99: 2 * time.Hour},
		PeakMemory: predictor.Quantiles[predictor.Bytes]{P10: 1, P50: 2, P90: 3, P99: 4}, MemoryRequest: 5,
		Model: "20260301T000000Z-1a2b3c4d",
	}
	want := map[string]string{
		"runcast.dev/predicted-runtime-seconds":        "60",
		"runcast.dev/predicted-runtime-seconds-p10":    "2",
		"runcast.dev/predicted-runtime-seconds-p90":    "3600",
		"runcast.dev/predicted-peak-memory-bytes":      "2",
		"runcast.dev/predicted-peak-memory-bytes-p90":  "3",
		"runcast.dev/recommended-memory-request-bytes": "5",
		"runcast.dev/model":                            "20260301T000000Z-1a2b3c4d",
	}
	if diff := cmp.Diff(want, jobspec.Annotations(e)); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if got := jobspec.Annotations(predictor.Estimate{}); len(got) != 0 {
		t.Errorf("annotations of nothing = %v, want none", got)
	}
}

func TestServed(t *testing.T) {
	const runtime, memory = "runcast.dev/predicted-runtime-seconds", "runcast.dev/predicted-peak-memory-bytes"
	for _, c := range []struct {
		name        string
		annotations map[string]string
		want        *predictor.Estimate
		problems    int
	}{
		{name: "nothing"},
		{name: "a model alone", annotations: map[string]string{"runcast.dev/model": "m"}},
		{name: "the median alone", annotations: map[string]string{runtime: "60"}, want: &predictor.Estimate{
			Source: "annotations", MeanRuntime: time.Minute,
			Runtime: predictor.Quantiles[time.Duration]{P50: time.Minute, P90: time.Minute, P99: time.Minute},
		}},
		{name: "quantiles that cross", annotations: map[string]string{runtime: "60", runtime + "-p10": "70", runtime + "-p90": "50"},
			want: &predictor.Estimate{Source: "annotations", MeanRuntime: time.Minute, Runtime: predictor.Exactly(time.Minute)}},
		{name: "memory alone", annotations: map[string]string{memory: "5", memory + "-p90": "7"}, want: &predictor.Estimate{
			Source: "annotations", PeakMemory: predictor.Quantiles[predictor.Bytes]{P50: 5, P90: 7, P99: 7},
		}},
		{name: "malformed", annotations: map[string]string{runtime: "1h", runtime + "-p90": "-1", memory: "9223372036854775807"}, problems: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, problems := jobspec.Served(c.annotations)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("estimate (-want +got):\n%s", diff)
			}
			if len(problems) != c.problems {
				t.Errorf("problems %v, want %d", problems, c.problems)
			}
		})
	}
}

// TestRoundTrip checks on random estimates that what the annotations carry comes
// back: runtimes to the second above, memory exactly.
func TestRoundTrip(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 1000 {
		r, m := make([]time.Duration, 4), make([]predictor.Bytes, 4)
		for i := range r {
			r[i] = 1 + time.Duration(rng.Int64N(int64(predictor.MaxDuration)))>>rng.IntN(50)
			m[i] = 1 + predictor.Bytes(rng.Int64N(int64(predictor.MaxMemory)))>>rng.IntN(40)
		}
		slices.Sort(r)
		slices.Sort(m)
		e := predictor.Estimate{
			Runtime:    predictor.Quantiles[time.Duration]{P10: r[0], P50: r[1], P90: r[2], P99: r[3]},
			PeakMemory: predictor.Quantiles[predictor.Bytes]{P10: m[0], P50: m[1], P90: m[2], P99: m[3]},
			Model:      "m",
		}
		up := func(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }
		want := &predictor.Estimate{
			Runtime:     predictor.Quantiles[time.Duration]{P10: up(r[0]), P50: up(r[1]), P90: up(r[2]), P99: up(r[2])},
			MeanRuntime: up(r[1]),
			PeakMemory:  predictor.Quantiles[predictor.Bytes]{P50: m[1], P90: m[2], P99: m[2]},
			Source:      "annotations", Model: "m",
		}
		got, problems := jobspec.Served(jobspec.Annotations(e))
		if diff := cmp.Diff(want, got); diff != "" || problems != nil {
			t.Fatalf("seed %d: problems %v, estimate (-want +got):\n%s", seed, problems, diff)
		}
	}
}

// FuzzServed reads any text: no panic, and an estimate, if any, is valid and
// survives being written and read again.
func FuzzServed(f *testing.F) {
	f.Add("60", "50", "70", "1", "2", "m")
	f.Add("", "x", "-1", "99999999999999999999", "0", "\xff")
	f.Fuzz(func(t *testing.T, p50, p10, p90, memory, memory90, model string) {
		e, _ := jobspec.Served(map[string]string{
			jobspec.AnnotationRuntime: p50, jobspec.AnnotationRuntimeP10: p10, jobspec.AnnotationRuntimeP90: p90,
			jobspec.AnnotationPeakMemory: memory, jobspec.AnnotationPeakMemoryP90: memory90, jobspec.AnnotationModel: model,
		})
		if e == nil {
			return
		}
		if !e.Runtime.Valid() || !e.PeakMemory.Valid() {
			t.Errorf("quantiles out of order: %+v", e)
		}
		again, problems := jobspec.Served(jobspec.Annotations(*e))
		if diff := cmp.Diff(e, again); diff != "" || problems != nil {
			t.Errorf("written and read again: problems %v (-first +second):\n%s", problems, diff)
		}
	})
}
