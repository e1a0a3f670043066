package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
)

// maxFaults is how many faults Check reports.
const maxFaults = 20

// Check reads the whole file and returns everything that is wrong with it, up to
// twenty faults, as predictor.ErrDamaged: with bbolt's pages; a record that does
// not decode or validate, or that is not where its finish, its ID or its sequence
// say; an index entry that points nowhere; a model without its bytes, or with
// others; a champion that does not exist. Writers wait until it is done.
func (s *Store) Check(ctx context.Context) error {
	// A write transaction, which is rolled back: bbolt's check must not see pages
	// that a writer is about to free.
	return s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		if err := checkSize(tx); err != nil {
			return false, err
		}
		var found faults
		for err := range tx.Check() { // to its end, or its goroutine never ends
			found.add("%w", err)
		}
		if len(found) == 0 { // else the pages cannot be walked safely
			if err := checkRecords(ctx, tx, &found); err != nil {
				return false, err
			}
			checkModels(tx, &found)
		}
		if len(found) == 0 {
			return false, nil
		}
		return false, fmt.Errorf("%w: %w", predictor.ErrDamaged, errors.Join(found...))
	})
}

type faults []error

func (f *faults) add(format string, args ...any) {
	if len(*f) < maxFaults {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func checkRecords(ctx context.Context, tx *bbolt.Tx, found *faults) error {
	records, ids, sequence := tx.Bucket(bucketRecords), tx.Bucket(bucketIDs), tx.Bucket(bucketSequence)
	n := 0
	err := records.ForEach(func(key, value []byte) error {
		n++
		e, err := decode(key, value)
		if err != nil {
			found.add("%w", err)
			return ctx.Err()
		}
		if err := e.Validate(); err != nil {
			found.add("record %s: %w", idOf(key), err)
		}
		if want := recordKey(&e.JobRecord); !bytes.Equal(key, want) {
			found.add("record %s: its key is %x, expected %x", idOf(key), key, want)
		}
		if finished := ids.Get([]byte(e.ID)); !bytes.Equal(finished, key[:min(8, len(key))]) {
			found.add("record %s: the index of ids says %x", idOf(key), finished)
		}
		if at := sequence.Get(sequenceKey(e.Sequence)); !bytes.Equal(at, key) {
			found.add("record %s: its sequence %d is that of %x", idOf(key), e.Sequence, at)
		}
		if last := sequence.Sequence(); e.Sequence == 0 || e.Sequence > last {
			found.add("record %s: its sequence is %d, expected 1 to %d", idOf(key), e.Sequence, last)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	// Every record has its entries; if there are no more of them, the reverse holds.
	for _, index := range []struct {
		name  []byte
		count int
	}{{bucketIDs, ids.Stats().KeyN}, {bucketSequence, sequence.Stats().KeyN}} {
		if index.count != n {
			found.add("the index %s has %d entries for %d records", index.name, index.count, n)
		}
	}
	return nil
}

func checkModels(tx *bbolt.Tx, found *faults) {
	infos, err := listModels(tx)
	if err != nil {
		found.add("%w", err)
		return
	}
	champion := tx.Bucket(bucketMeta).Get(keyChampion)
	for _, info := range infos {
		if info.Champion {
			champion = nil
		}
		if err := complete(&info, tx.Bucket(bucketArtifacts).Get([]byte(info.Version))); err != nil {
			found.add("model %s: %w", info.Version, err)
		}
	}
	if champion != nil {
		found.add("the champion %.256q is no stored model", champion)
	}
	if n := tx.Bucket(bucketArtifacts).Stats().KeyN; n != len(infos) {
		found.add("there are %d artifacts for %d models", n, len(infos))
	}
}
