package promql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestBatches checks on random items what batches promises.
func TestBatches(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 300 {
		items := make([]item, rng.IntN(60))
		for i := range items {
			start := time.Unix(rng.Int64N(100_000), 0)
			run := time.Duration(rng.Int64N(int64(1)<<(10+rng.IntN(11)))) * time.Second // up to 12 days
			items[i] = item{strconv.Itoa(rng.IntN(3)), strconv.Itoa(rng.IntN(30)), start, start.Add(run), i}
		}
		limit := 1 + rng.IntN(20)
		var seen []int
		for _, b := range batches(items, limit) {
			if len(b) == 0 || len(b) > limit {
				t.Fatalf("a batch of %d, limit %d", len(b), limit)
			}
			names := map[string]bool{}
			start, end, longest := b[0].start, b[0].end, time.Duration(0)
			for _, it := range b {
				seen = append(seen, it.index)
				if it.namespace != b[0].namespace || bucket(it.span()) != bucket(b[0].span()) || names[it.name] {
					t.Fatalf("%+v does not belong with %+v", it, b[0])
				}
				names[it.name] = true
				start, end, longest = earlier(start, it.start), later(end, it.end), max(longest, it.span())
			}
			most := longest
			if i := bucket(longest); i < len(buckets) {
				most = buckets[i]
			}
			if end.Sub(start) > most+slack {
				t.Fatalf("a window of %v for jobs of at most %v", end.Sub(start), longest)
			}
		}
		slices.Sort(seen)
		for i := range items {
			if len(seen) != len(items) || seen[i] != i {
				t.Fatalf("%d of %d items, not each once", len(seen), len(items))
			}
		}
	}
}

func TestBucket(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 0, 15 * time.Minute: 0, 15*time.Minute + 1: 1, time.Hour: 1, 4 * time.Hour: 2, 24 * time.Hour: 3, 168 * time.Hour: 4, 168*time.Hour + 1: 5} {
		if got := bucket(d); got != want {
			t.Errorf("%v: bucket %d, want %d", d, got, want)
		}
	}
}

// TestParallel: the first error ends the others, and all have ended on return.
func TestParallel(t *testing.T) {
	s := &Source{cfg: Config{MaxQueries: 3}}
	boom := errors.New("boom")
	err := s.parallel(t.Context(), 100, func(ctx context.Context, i int) error {
		if i == 5 {
			return boom
		}
		if i > 50 {
			<-ctx.Done() // or this would not return
			return ctx.Err()
		}
		return nil
	})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	done := make([]bool, 100)
	if err := s.parallel(t.Context(), 100, func(_ context.Context, i int) error { done[i] = true; return nil }); err != nil || slices.Contains(done, false) {
		t.Error(err, done)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.parallel(ctx, 100, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPromDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "1ms", time.Nanosecond: "1ms", time.Millisecond + 1: "2ms", time.Second: "1s", 90 * time.Minute: "5400s", 1500 * time.Millisecond: "1500ms"} {
		if got := promDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// FuzzOneOf: whatever a thing is called, the regular expression matches it and no other.
func FuzzOneOf(f *testing.F) {
	f.Add("train-a", "train.a")
	f.Add(`a"b\`, "a|b")
	f.Add("{{.Pod}}", "ü\n")
	f.Add("\xe8", "$")
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		m, err := p.ParseMetricSelector(fmt.Sprintf("m{pod=~%s,}", oneOf([]string{a})))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return // no label has such a value
		}
		if !m[0].Matches(a) || m[0].Matches(b) != (a == b) {
			t.Errorf("%s: %q %v, %q %v", m[0], a, m[0].Matches(a), b, m[0].Matches(b))
		}
		m, err = p.ParseMetricSelector(fmt.Sprintf("m{pod=~%s,}", oneOf([]string{a, b})))
		if err != nil || !m[0].Matches(a) || !m[0].Matches(b) || m[0].Matches(a+b) && a+b != a && a+b != b {
			t.Error(m, err)
		}
	})
}
