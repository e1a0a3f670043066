package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"
)

// pruneBatch bounds how many records one transaction removes, so that Put does
// not wait long for its turn.
const pruneBatch = 5000

// Prune removes the records that finished more than maxAge before now, and then
// the oldest until at most maxRecords are left; 0 is no limit. It returns how
// many it removed, those that cannot be read any more among them. If it is stopped on the
// way, what was removed stays so.
func (s *Store) Prune(ctx context.Context, now time.Time, maxAge time.Duration, maxRecords int) (int, error) {
	var cutoff []byte
	if maxAge > 0 {
		cutoff = finishedKey(now.Add(-maxAge))
	}
	for removed := 0; ; {
		n := 0
		err := s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
			excess := 0
			if maxRecords > 0 {
				excess = length(tx) - maxRecords
			}
			var old []pair
			c := tx.Bucket(bucketRecords).Cursor()
			for k, v := c.First(); k != nil && len(old) < pruneBatch; k, v = c.Next() {
				if bytes.Compare(k, cutoff) >= 0 && len(old) >= excess {
					break
				}
				old = append(old, pair{k, v})
			}
			n = len(old)
			return n > 0, remove(tx, old)
		})
		if err != nil {
			return removed, err
		}
		if removed += n; n < pruneBatch {
			return removed, nil
		}
	}
}

func remove(tx *bbolt.Tx, old []pair) error {
	bySequence := tx.Bucket(bucketSequence)
	var keys, sequences [][]byte
	for _, p := range old { // before the first removal moves them
		var sequence []byte
		if e, err := decode(p.key, p.value); err != nil { // damaged: it goes all the same
			sequence = findSequence(bySequence, p.key)
		} else {
			sequence = sequenceKey(e.Sequence)
		}
		keys, sequences = append(keys, bytes.Clone(p.key)), append(sequences, sequence)
	}
	for i, key := range keys {
		err := errors.Join(
			tx.Bucket(bucketRecords).Delete(key),
			tx.Bucket(bucketIDs).Delete(key[min(8, len(key)):]),
			bySequence.Delete(sequences[i]),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
