package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
)

// Put implements predictor.History. Records are validated first: the error is
// then a predictor.ValidationError, and nothing is stored. Of several records
// with the same ID in one call the best counts. See the comment on better for
// when a record replaces another; the estimate that was served stays with the
// job even if the better record does not have it. A stored record that cannot be
// read any more is replaced by any.
func (s *Store) Put(ctx context.Context, records []predictor.JobRecord) (int, error) {
	best, err := bestOf(records)
	if err != nil {
		return 0, err
	}
	n := 0
	err = s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		n, err = putAll(tx, best)
		return n > 0, err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// PutWithWatermark puts records and sets the watermark of that name, both or
// neither.
func (s *Store) PutWithWatermark(ctx context.Context, records []predictor.JobRecord, name string, at time.Time) (int, error) {
	best, err := bestOf(records)
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, s.named(errors.New("a watermark has a name"))
	}
	mark, err := at.UTC().MarshalText()
	if err != nil {
		return 0, s.named(fmt.Errorf("watermark %s: %w", name, err))
	}
	n := 0
	err = s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		if n, err = putAll(tx, best); err != nil {
			return false, err
		}
		marks := tx.Bucket(bucketWatermarks)
		if bytes.Equal(marks.Get([]byte(name)), mark) {
			return n > 0, nil
		}
		return true, marks.Put([]byte(name), mark)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Watermark returns the time last set under a name; zero if there is none.
func (s *Store) Watermark(ctx context.Context, name string) (time.Time, error) {
	var at time.Time
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		mark := tx.Bucket(bucketWatermarks).Get([]byte(name))
		if mark == nil {
			return nil
		}
		if err := at.UnmarshalText(mark); err != nil {
			return fmt.Errorf("watermark %s: %w: %w", name, predictor.ErrDamaged, err)
		}
		return nil
	})
	return at, err
}

// bestOf validates records, with times in UTC, and leaves one of each ID, in the
// order in which the IDs first come.
func bestOf(records []predictor.JobRecord) ([]predictor.JobRecord, error) {
	best := make([]predictor.JobRecord, 0, len(records))
	index := make(map[string]int, len(records))
	for _, r := range records {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("record %.256q: %w", r.ID, err)
		}
		for _, t := range []*time.Time{&r.Submitted, &r.Started, &r.Finished} {
			*t = t.UTC()
		}
		i, ok := index[r.ID]
		switch {
		case !ok:
			index[r.ID] = len(best)
			best = append(best, r)
		case better(&r, &best[i]):
			best[i] = keepServed(r, &best[i])
		}
	}
	return best, nil
}

func keepServed(r predictor.JobRecord, old *predictor.JobRecord) predictor.JobRecord {
	if r.Served == nil {
		r.Served = old.Served
	}
	return r
}

// putAll stores what is new or better and returns how many that were.
func putAll(tx *bbolt.Tx, records []predictor.JobRecord) (int, error) {
	ids, bySequence, byTime := tx.Bucket(bucketIDs), tx.Bucket(bucketSequence), tx.Bucket(bucketRecords)
	n := 0
	for _, r := range records {
		id := []byte(r.ID)
		if finished := ids.Get(id); finished != nil {
			key := append(bytes.Clone(finished), id...)
			var at []byte
			if old, err := decode(key, byTime.Get(key)); err != nil { // damaged: any record is better
				at = findSequence(bySequence, key)
			} else if !better(&r, &old.JobRecord) {
				continue
			} else {
				r, at = keepServed(r, &old.JobRecord), sequenceKey(old.Sequence)
			}
			if err := errors.Join(byTime.Delete(key), bySequence.Delete(at)); err != nil {
				return 0, err
			}
		}
		sequence, err := bySequence.NextSequence()
		if err != nil {
			return 0, err
		}
		value, err := encode(&r, sequence)
		if err != nil {
			return 0, fmt.Errorf("record %s: %w", r.ID, err)
		}
		key := recordKey(&r)
		if err := errors.Join(ids.Put(id, key[:8:8]), byTime.Put(key, value), bySequence.Put(sequenceKey(sequence), key)); err != nil {
			return 0, fmt.Errorf("record %s: %w", r.ID, err)
		}
		n++
	}
	return n, nil
}

// findSequence looks through all of the index for a record that does not tell its
// sequence any more.
func findSequence(bySequence *bbolt.Bucket, key []byte) []byte {
	c := bySequence.Cursor()
	for at, of := c.First(); at != nil; at, of = c.Next() {
		if bytes.Equal(of, key) {
			return bytes.Clone(at)
		}
	}
	return sequenceKey(0) // none is, sequences count from 1
}
