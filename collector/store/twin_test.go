package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/runcast/runcast/predictor"
)

// A twin is a history in memory that does the obvious.
type twin struct {
	records    map[string]predictor.Entry
	watermarks map[string]time.Time
	sequence   uint64
}

func (w *twin) put(records []predictor.JobRecord) int {
	n := 0
	for i, r := range records {
		same := func(o predictor.JobRecord) bool { return o.ID == r.ID }
		if slices.ContainsFunc(records[:i], same) {
			continue
		}
		for _, o := range records[i+1:] { // the best of this call
			if same(o) && better(&o, &r) {
				r = inherit(o, r)
			}
		}
		old, ok := w.records[r.ID]
		if ok && !better(&r, &old.JobRecord) {
			continue
		}
		n++
		w.sequence++
		w.records[r.ID] = predictor.Entry{JobRecord: inherit(r, old.JobRecord), Sequence: w.sequence}
	}
	return n
}

func inherit(r, old predictor.JobRecord) predictor.JobRecord {
	if r.Served == nil {
		r.Served = old.Served
	}
	return r
}

func (w *twin) prune(now time.Time, maxAge time.Duration, maxRecords int) int {
	n := 0
	for _, e := range w.list(time.Time{}, time.Time{}) {
		old := maxAge > 0 && e.Finished.Before(now.Add(-maxAge))
		if many := maxRecords > 0 && len(w.records) > maxRecords; old || many {
			delete(w.records, e.ID)
			n++
		}
	}
	return n
}

func (w *twin) list(from, to time.Time) []predictor.Entry {
	var all []predictor.Entry
	for _, e := range w.records {
		if (from.IsZero() || !e.Finished.Before(from)) && (to.IsZero() || e.Finished.Before(to)) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b predictor.Entry) int {
		return cmp.Or(a.Finished.Compare(b.Finished), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func randomRecord(rng *rand.Rand) predictor.JobRecord {
	r := predictor.JobRecord{Finished: time.Unix(rng.Int64N(200)-100, rng.Int64N(2)).UTC()}
	r.ID = fmt.Sprint("job", rng.IntN(60))
	r.Quality = []predictor.Quality{"", predictor.QualityNone, predictor.QualitySparse, predictor.QualityExact}[rng.IntN(4)]
	r.PeakMemory = predictor.Bytes(rng.IntN(2))
	if rng.IntN(2) == 0 {
		r.Outcome = predictor.Failed
	}
	if rng.IntN(3) == 0 {
		r.Served = &predictor.Estimate{Samples: rng.IntN(100)}
	}
	return r
}

// TestTwin does random things to a store and to its twin.
func TestTwin(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runTwin(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func runTwin(t *testing.T, rng *rand.Rand) {
	path := filepath.Join(t.TempDir(), "runcast.db")
	reopen := func() *Store {
		s := openTest(t, path)
		s.db.NoSync = true // nothing crashes here
		return s
	}
	s := reopen()
	w := twin{records: map[string]predictor.Entry{}, watermarks: map[string]time.Time{}}
	ctx := t.Context()
	at := func() time.Time {
		if rng.IntN(4) == 0 {
			return time.Time{}
		}
		return time.Unix(rng.Int64N(220)-110, 0).UTC()
	}
	for step := range 150 {
		var got, want int
		var err error
		did := "put"
		switch rng.IntN(10) {
		case 0:
			did = "prune"
			now, age, most := time.Unix(100, 0), time.Duration(rng.IntN(250))*time.Second, rng.IntN(60)
			got, err = s.Prune(ctx, now, age, most)
			want = w.prune(now, age, most)
		case 1:
			did = "open again"
			if err = s.Close(); err == nil {
				s = reopen()
			}
		default:
			var records []predictor.JobRecord
			for range rng.IntN(8) {
				records = append(records, randomRecord(rng))
			}
			want = w.put(records)
			if rng.IntN(2) == 0 {
				got, err = s.Put(ctx, records)
				break
			}
			did = "put with watermark"
			name, mark := fmt.Sprint("mark", rng.IntN(3)), at()
			got, err = s.PutWithWatermark(ctx, records, name, mark)
			w.watermarks[name] = mark
		}
		if err != nil || got != want {
			t.Fatalf("step %d: %s = %d, %v; want %d", step, did, got, err, want)
		}
		compare(t, s, &w, at(), at(), rng.Uint64N(w.sequence+2))
		if t.Failed() {
			t.Fatalf("step %d: after %s", step, did)
		}
	}
}

func compare(t *testing.T, s *Store, w *twin, from, to time.Time, after uint64) {
	t.Helper()
	diff := func(what string, want, got []predictor.Entry) {
		t.Helper()
		if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	var got []predictor.Entry
	for e, err := range s.Records(t.Context(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	diff("Records", w.list(from, to), got)

	want := slices.DeleteFunc(w.list(time.Time{}, time.Time{}), func(e predictor.Entry) bool { return e.Sequence <= after })
	slices.SortFunc(want, func(a, b predictor.Entry) int { return cmp.Compare(a.Sequence, b.Sequence) })
	got = nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if len(want) == 0 {
		cancel() // or it would wait
	}
	for e, err := range s.Follow(ctx, after) {
		if len(want) == 0 && errors.Is(err, context.Canceled) {
			break
		}
		if got = append(got, e); err != nil || len(got) >= len(want) {
			break
		}
	}
	diff("Follow", want, got)
	for name, want := range w.watermarks {
		if mark, err := s.Watermark(t.Context(), name); err != nil || !mark.Equal(want) {
			t.Errorf("Watermark(%s) = %v, %v; want %v", name, mark, err, want)
		}
	}
	if n, err := s.Len(t.Context()); err != nil || n != len(w.records) {
		t.Errorf("Len = %d, %v; want %d", n, err, len(w.records))
	}
}
