package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
)

// TestPruneInBatches removes more than one transaction does; TestTwin has the rest.
func TestPruneInBatches(t *testing.T) {
	s := newTest(t)
	const n = 2*pruneBatch + 10
	var records []predictor.JobRecord
	for i := range n {
		records = append(records, predictor.JobRecord{JobSpec: predictor.JobSpec{ID: fmt.Sprint(i)}, Finished: time.Unix(int64(i), 0)})
	}
	if _, err := s.Put(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Prune(t.Context(), time.Unix(n, 0), 0, 7); removed != n-7 || err != nil {
		t.Fatalf("Prune = %d, %v; want %d", removed, err, n-7)
	}
	if left, err := s.Len(t.Context()); left != 7 || err != nil {
		t.Fatalf("Len = %d, %v; want 7", left, err)
	}
	for e, err := range s.Records(t.Context(), time.Time{}, time.Time{}) {
		if err != nil || e.ID != fmt.Sprint(n-7) {
			t.Errorf("the oldest record left is %s, %v; want %d", e.ID, err, n-7)
		}
		break
	}
}

// TestPruneDamaged removes a record that does not decode, and leaves a store without faults.
func TestPruneDamaged(t *testing.T) {
	s := newTest(t)
	ctx := t.Context()
	var records []predictor.JobRecord
	for i := range 5 {
		records = append(records, predictor.JobRecord{JobSpec: predictor.JobSpec{ID: fmt.Sprint(i)}, Finished: time.Unix(int64(i), 0)})
	}
	if _, err := s.Put(ctx, records); err != nil {
		t.Fatal(err)
	}
	err := s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		return true, tx.Bucket(bucketRecords).Put(recordKey(&records[1]), []byte("{"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Prune(ctx, time.Unix(3, 0), time.Second, 0); removed != 2 || err != nil {
		t.Fatalf("Prune = %d, %v; want 2", removed, err)
	}
	if left, err := s.Len(ctx); left != 3 || err != nil {
		t.Errorf("Len = %d, %v; want 3", left, err)
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
}

// TestWatermark checks that records and watermark are stored both or neither.
func TestWatermark(t *testing.T) {
	s := newTest(t)
	ctx := t.Context()
	good := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "a"}, Finished: time.Unix(5, 0)}
	at := time.Unix(7, 8)
	for name, put := range map[string]func() (int, error){
		"invalid record": func() (int, error) { return s.PutWithWatermark(ctx, []predictor.JobRecord{good, {}}, "w", at) },
		"no name":        func() (int, error) { return s.PutWithWatermark(ctx, []predictor.JobRecord{good}, "", at) },
		"absurd time": func() (int, error) {
			return s.PutWithWatermark(ctx, []predictor.JobRecord{good}, "w", time.Unix(1<<60, 0))
		},
		"name too long": func() (int, error) {
			return s.PutWithWatermark(ctx, []predictor.JobRecord{good}, strings.Repeat("w", 1<<16), at)
		},
	} {
		if n, err := put(); n != 0 || err == nil {
			t.Errorf("%s: %d, %v; want an error", name, n, err)
		}
		if n, err := s.Len(ctx); n != 0 || err != nil {
			t.Fatalf("%s: %d records were stored, %v", name, n, err)
		}
		if mark, err := s.Watermark(ctx, "w"); !mark.IsZero() || err != nil {
			t.Fatalf("%s: the watermark was set to %v, %v", name, mark, err)
		}
	}
	if n, err := s.PutWithWatermark(ctx, []predictor.JobRecord{good}, "w", at); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if mark, err := s.Watermark(ctx, "w"); !mark.Equal(at) || err != nil {
		t.Errorf("the watermark is %v, %v; want %v", mark, err, at)
	}
}

// TestKeysSort checks that keys sort like the times they stand for.
func TestKeysSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	times := []time.Time{
		time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), // years that do not fit into nanoseconds
		time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(0, -1), time.Unix(0, 0), time.Unix(0, 1),
		time.Date(2200, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for range 100 {
		times = append(times, time.Unix(rng.Int64N(9e9)-2e9, rng.Int64N(1e9)))
	}
	for _, a := range times {
		for _, b := range times {
			if got, want := bytes.Compare(finishedKey(a), finishedKey(b)), a.Compare(b); got != want {
				t.Errorf("keys of %v and %v compare as %d, want %d", a, b, got, want)
			}
		}
	}
}
