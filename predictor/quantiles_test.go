package predictor_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/runcast/runcast/predictor"
)

// seeded is the source of a property test: the same values every run.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// someQuantiles draws valid quantiles of any magnitude, ties and extremes included.
func someQuantiles(r *rand.Rand) Quantiles[time.Duration] {
	var v [4]time.Duration
	for i := range v {
		v[i] = time.Duration(r.Int64() >> r.IntN(63))
		if r.IntN(8) == 0 {
			v[i] = math.MaxInt64
		}
	}
	slices.Sort(v[:])
	if r.IntN(4) == 0 {
		v[2] = v[1]
	}
	return Quantiles[time.Duration]{P10: v[0], P50: v[1], P90: v[2], P99: v[3]}
}

func TestQuantilesAt(t *testing.T) {
	q := Quantiles[Bytes]{P10: 100, P50: 500, P90: 900, P99: 1800}
	for _, tt := range []struct {
		level float64
		want  Bytes
	}{
		{math.Inf(-1), 100}, {-1, 100}, {0, 100}, {0.1, 100}, {0.3, 300}, {0.5, 500}, {0.7, 700},
		{0.9, 900}, {0.945, 1350}, {0.99, 1800}, {1, 1800}, {math.Inf(1), 1800}, {math.NaN(), 100},
	} {
		if got := q.At(tt.level); got != tt.want {
			t.Errorf("At(%v) = %d, want %d", tt.level, got, tt.want)
		}
	}
}

func TestQuantilesAtIsMonotone(t *testing.T) {
	r := seeded()
	for range 2000 {
		q := someQuantiles(r)
		for i, level := range Levels {
			if got := q.At(level); got != q.Values()[i] {
				t.Fatalf("%+v: At(%v) = %d, want %d", q, level, got, q.Values()[i])
			}
		}
		levels := []float64{0, 1}
		for _, level := range Levels {
			levels = append(levels, level, math.Nextafter(level, 0), math.Nextafter(level, 1))
		}
		for range 30 {
			levels = append(levels, r.Float64())
		}
		slices.Sort(levels)
		for i := 1; i < len(levels); i++ {
			lower, upper := q.At(levels[i-1]), q.At(levels[i])
			if lower > upper || lower < q.P10 || upper > q.P99 {
				t.Fatalf("%+v: At(%v) = %d, At(%v) = %d", q, levels[i-1], lower, levels[i], upper)
			}
		}
	}
}

func TestQuantilesCapped(t *testing.T) {
	r := seeded()
	for range 2000 {
		q := someQuantiles(r)
		limit := time.Duration(r.Int64()>>r.IntN(63) - 1000)
		got := q.Capped(limit)
		if !got.Valid() {
			t.Fatalf("%+v.Capped(%d) = %+v: not monotone", q, limit, got)
		}
		for i, v := range q.Values() {
			want := v
			if limit > 0 && v > limit {
				want = limit
			}
			if got.Values()[i] != want {
				t.Fatalf("%+v.Capped(%d) = %+v", q, limit, got)
			}
		}
	}
}

func TestQuantilesMap(t *testing.T) {
	r := seeded()
	for range 500 {
		q := someQuantiles(r)
		got := q.Map(func(d time.Duration) time.Duration { return d / 3 })
		if !got.Valid() || got.P10 != q.P10/3 || got.P50 != q.P50/3 || got.P90 != q.P90/3 || got.P99 != q.P99/3 {
			t.Fatalf("%+v.Map(third) = %+v", q, got)
		}
	}
}

func TestQuantilesValid(t *testing.T) {
	for _, tt := range []struct {
		q            Quantiles[Bytes]
		valid, known bool
	}{
		{Quantiles[Bytes]{}, true, false},
		{Exactly[Bytes](7), true, true},
		{Quantiles[Bytes]{1, 2, 3, 4}, true, true},
		{Quantiles[Bytes]{-1, 2, 3, 4}, false, true},
		{Quantiles[Bytes]{3, 2, 3, 4}, false, true},
		{Quantiles[Bytes]{1, 4, 3, 4}, false, true},
		{Quantiles[Bytes]{1, 2, 5, 4}, false, true},
	} {
		if tt.q.Valid() != tt.valid || tt.q.IsZero() == tt.known {
			t.Errorf("%+v: Valid %v, IsZero %v", tt.q, tt.q.Valid(), tt.q.IsZero())
		}
	}
}
