package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
)

// A page is what is read in one transaction and handed out after it: at most
// pageEntries, and no more once there are pageBytes of them.
const (
	pageEntries = 512
	pageBytes   = 1 << 20
)

type pair struct{ key, value []byte }

// Records implements predictor.History. A record that is replaced while this
// runs may come twice, as it was and as it is.
func (s *Store) Records(ctx context.Context, from, to time.Time) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		var next, end []byte
		if !from.IsZero() {
			next = finishedKey(from)
		}
		if !to.IsZero() {
			end = finishedKey(to)
		}
		for {
			page, err := s.recordsPage(ctx, next, end)
			if !yieldPage(page, err, yield) || len(page) == 0 {
				return
			}
			next = append(page[len(page)-1].key, 0) // the smallest key behind it
		}
	}
}

func (s *Store) recordsPage(ctx context.Context, next, end []byte) (page []pair, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		size := 0
		c := tx.Bucket(bucketRecords).Cursor()
		for k, v := c.Seek(next); k != nil; k, v = c.Next() {
			if end != nil && bytes.Compare(k, end) >= 0 || len(page) == pageEntries || size > pageBytes {
				break
			}
			page = append(page, pair{bytes.Clone(k), bytes.Clone(v)})
			size += len(k) + len(v)
		}
		return nil
	})
	return page, err
}

// Follow implements predictor.History.
func (s *Store) Follow(ctx context.Context, after uint64) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		for after := after; ; {
			changed := s.wake()
			page, last, err := s.sequencePage(ctx, after)
			if !yieldPage(page, err, yield) {
				return
			}
			after = last
			if len(page) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// sequencePage reads the records behind a sequence, and the last one's sequence.
func (s *Store) sequencePage(ctx context.Context, after uint64) (page []pair, last uint64, err error) {
	last = after
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		records := tx.Bucket(bucketRecords)
		size := 0
		c := tx.Bucket(bucketSequence).Cursor()
		start := sequenceKey(after)
		k, key := c.Seek(start)
		if bytes.Equal(k, start) {
			k, key = c.Next()
		}
		for ; k != nil && len(page) < pageEntries && size <= pageBytes; k, key = c.Next() {
			v := records.Get(key)
			if v == nil {
				return fmt.Errorf("%w: sequence %x has no record %s", predictor.ErrDamaged, k, idOf(key))
			}
			page = append(page, pair{bytes.Clone(key), bytes.Clone(v)})
			size += len(key) + len(v)
			last = sequenceOf(k)
		}
		return nil
	})
	return page, last, err
}

// yieldPage decodes and yields; it returns whether to go on.
func yieldPage(page []pair, err error, yield func(predictor.Entry, error) bool) bool {
	if err != nil {
		yield(predictor.Entry{}, err)
		return false
	}
	for _, p := range page {
		e, err := decode(p.key, p.value)
		if !yield(e, err) || err != nil {
			return false
		}
	}
	return true
}

// Lookup returns the records of the IDs that are stored, by ID. The error is
// predictor.ErrDamaged if some cannot be read, and names them; the others are returned
// with it.
func (s *Store) Lookup(ctx context.Context, ids []string) (map[string]predictor.JobRecord, error) {
	found := make(map[string]predictor.JobRecord, len(ids))
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		var damaged []error
		for _, id := range ids {
			finished := tx.Bucket(bucketIDs).Get([]byte(id))
			if finished == nil {
				continue
			}
			key := append(bytes.Clone(finished), id...)
			e, err := decode(key, tx.Bucket(bucketRecords).Get(key))
			if err != nil {
				damaged = append(damaged, err)
				continue
			}
			found[id] = e.JobRecord
		}
		return errors.Join(damaged...)
	})
	return found, err
}

// Len returns the number of records.
func (s *Store) Len(ctx context.Context) (int, error) {
	n := 0
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		n = length(tx)
		return nil
	})
	return n, err
}

// length counts the entries of the smallest bucket that has one for each record.
func length(tx *bbolt.Tx) int { return tx.Bucket(bucketIDs).Stats().KeyN }
