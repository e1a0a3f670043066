package store

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
)

// TestCheck breaks each invariant and looks for the word about it.
func TestCheck(t *testing.T) {
	a := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "a"}, Finished: time.Unix(5, 0).UTC()}
	b := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "b"}, Finished: time.Unix(6, 0).UTC()}
	value := func(r predictor.JobRecord, sequence uint64) []byte {
		v, err := encode(&r, sequence)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name   string
		damage func(tx *bbolt.Tx) error
		says   string
	}{
		{"not JSON", func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put(recordKey(&a), []byte("{")) }, `record "a": damaged`},
		{"invalid", func(tx *bbolt.Tx) error {
			bad := a
			bad.Pods = -1
			return tx.Bucket(bucketRecords).Put(recordKey(&a), value(bad, 1))
		}, "pods: expected"},
		{"another's place", func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put(recordKey(&a), value(b, 1)) }, "its key is"},
		{"no id", func(tx *bbolt.Tx) error { return tx.Bucket(bucketIDs).Delete([]byte("a")) }, "the index of ids says"},
		{"no sequence", func(tx *bbolt.Tx) error { return tx.Bucket(bucketSequence).Delete(sequenceKey(1)) }, "its sequence 1 is that of"},
		{"sequence to come", func(tx *bbolt.Tx) error {
			return errors.Join(
				tx.Bucket(bucketRecords).Put(recordKey(&a), value(a, 9)),
				tx.Bucket(bucketSequence).Delete(sequenceKey(1)),
				tx.Bucket(bucketSequence).Put(sequenceKey(9), recordKey(&a)))
		}, "its sequence is 9, expected 1 to 2"},
		{"id without a record", func(tx *bbolt.Tx) error { return tx.Bucket(bucketIDs).Put([]byte("c"), finishedKey(a.Finished)) }, "the index ids has 3 entries for 2 records"},
		{"sequence without a record", func(tx *bbolt.Tx) error { return tx.Bucket(bucketSequence).Put(sequenceKey(3), []byte("c")) }, "the index sequence has 3 entries for 2 records"},
		{"record lost", func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Delete(recordKey(&b)) }, "the index ids has 2 entries for 1 records"},
		{"artifact changed", func(tx *bbolt.Tx) error { return tx.Bucket(bucketArtifacts).Put([]byte("v1"), []byte("onf")) }, "SHA-256"},
		{"artifact lost", func(tx *bbolt.Tx) error { return tx.Bucket(bucketArtifacts).Delete([]byte("v1")) }, "model v1"},
		{"artifact too many", func(tx *bbolt.Tx) error { return tx.Bucket(bucketArtifacts).Put([]byte("v2"), []byte("two")) }, "2 artifacts for 1 models"},
		{"model not JSON", func(tx *bbolt.Tx) error { return tx.Bucket(bucketModels).Put([]byte("v1"), []byte("{")) }, `model "v1": damaged`},
		{"no such champion", func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyChampion, []byte("v7")) }, `the champion "v7" is no stored model`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newUnchecked(t)
			if _, err := s.Put(t.Context(), []predictor.JobRecord{a, b}); err != nil {
				t.Fatal(err)
			}
			if err := s.Publish(t.Context(), predictor.ModelInfo{Version: "v1"}, strings.NewReader("one")); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.db.Update(c.damage); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(t.Context()); !errors.Is(err, predictor.ErrDamaged) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Check: %v; want %q", err, c.says)
			}
		})
	}
}

// TestDamageIsReported checks that what reads a damaged place says so.
func TestDamageIsReported(t *testing.T) {
	s := newUnchecked(t)
	ctx := t.Context()
	r := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "a"}, Finished: time.Unix(5, 0).UTC()}
	if _, err := s.PutWithWatermark(ctx, []predictor.JobRecord{r}, "w", time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, predictor.ModelInfo{Version: "v1"}, strings.NewReader("one")); err != nil {
		t.Fatal(err)
	}
	damage := func(change func(tx *bbolt.Tx) error) {
		if err := s.db.Update(change); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, err error) {
		if !errors.Is(err, predictor.ErrDamaged) || !strings.Contains(err.Error(), s.path) && what != "Records" && what != "Follow" {
			t.Errorf("%s: %v; want %v", what, err, predictor.ErrDamaged)
		}
	}
	damage(func(tx *bbolt.Tx) error {
		return errors.Join(
			tx.Bucket(bucketRecords).Put(recordKey(&r), []byte("[]")),
			tx.Bucket(bucketArtifacts).Put([]byte("v1"), []byte("onf")),
			tx.Bucket(bucketWatermarks).Put([]byte("w"), []byte("noon")))
	})
	for _, err := range s.Records(ctx, time.Time{}, time.Time{}) {
		want("Records", err)
	}
	for _, err := range s.Follow(ctx, 0) {
		want("Follow", err)
	}
	_, err := s.Lookup(ctx, []string{"a"})
	want("Lookup", err)
	_, err = s.Artifact(ctx, "v1")
	want("Artifact", err)
	_, err = s.Watermark(ctx, "w")
	want("Watermark", err)

	damage(func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Delete(recordKey(&r)) })
	for _, err := range s.Follow(ctx, 0) {
		want("Follow", err)
	}
	_, err = s.Lookup(ctx, []string{"a"})
	want("Lookup", err)
	damage(func(tx *bbolt.Tx) error { return tx.Bucket(bucketModels).Put([]byte("v1"), []byte("[]")) })
	_, err = s.Champion(ctx)
	want("Champion", err)
	_, err = s.List(ctx)
	want("List", err)

	damage(func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketRecords) }) // bbolt and we meet a nil bucket
	_, err = s.Put(ctx, []predictor.JobRecord{r})
	want("Put", err)
	if err := s.Check(ctx); err == nil {
		t.Error("Check found nothing")
	}
	if err := s.Publish(ctx, predictor.ModelInfo{Version: "v2"}, strings.NewReader("two")); err != nil {
		t.Errorf("after a panic the store cannot be written: %v", err)
	}
}

// TestDamagedRecordIsReplaced damages one of two records: the other is still found, and
// when the job is put again all is as if nothing had been.
func TestDamagedRecordIsReplaced(t *testing.T) {
	a := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "a"}, Finished: time.Unix(5, 0).UTC(), Usage: predictor.Usage{Quality: predictor.QualityExact}}
	b := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "b"}, Finished: time.Unix(6, 0).UTC()}
	poorer := a
	poorer.Quality, poorer.Finished = predictor.QualityNone, time.Unix(7, 0).UTC()
	for name, damage := range map[string]func(tx *bbolt.Tx) error{
		"not JSON": func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put(recordKey(&a), []byte("{")) },
		"lost":     func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Delete(recordKey(&a)) },
		"not followed": func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(bucketRecords).Put(recordKey(&a), nil), tx.Bucket(bucketSequence).Delete(sequenceKey(1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newUnchecked(t)
			if _, err := s.Put(t.Context(), []predictor.JobRecord{a, b}); err != nil {
				t.Fatal(err)
			}
			if err := s.db.Update(damage); err != nil {
				t.Fatal(err)
			}
			found, err := s.Lookup(t.Context(), []string{"a", "b", "c"})
			if !errors.Is(err, predictor.ErrDamaged) || !strings.Contains(err.Error(), `"a"`) || len(found) != 1 || found["b"].ID != "b" {
				t.Errorf("found %v, error %v; want b alone and a word about a", found, err)
			}
			if n, err := s.Put(t.Context(), []predictor.JobRecord{poorer, b}); n != 1 || err != nil {
				t.Errorf("put %d, %v; want 1", n, err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
			if found, err := s.Lookup(t.Context(), []string{"a"}); err != nil || !found["a"].Finished.Equal(poorer.Finished) {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
}

func newUnchecked(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir()+"/runcast.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// FuzzDecode checks that a value either decodes to a record that encodes to an
// equal one, or is damaged.
func FuzzDecode(f *testing.F) {
	good, err := encode(&predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "a"}, Finished: time.Unix(5, 0)}, 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"sequence":1,"id":"x","finished":"2026-11-24T00:00:00+01:00","features":{"a":1,"b":"c"},"cpu_seconds":0}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"features":{"a":null}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := decode(nil, value)
		if err != nil {
			if !errors.Is(err, predictor.ErrDamaged) {
				t.Fatalf("%v is not %v", err, predictor.ErrDamaged)
			}
			return
		}
		if e.Validate() != nil {
			return // encode may refuse what was never stored
		}
		once, err := encode(&e.JobRecord, e.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(nil, once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := encode(&again.JobRecord, again.Sequence)
		if err != nil || string(once) != string(twice) || !json.Valid(once) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
	})
}
