package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/runcast/runcast/predictor"
)

// finishedKey is the first part of a record's key. Times that do not fit into
// nanoseconds become the nearest one that does.
func finishedKey(t time.Time) []byte {
	ns := t.UnixNano()
	switch year := t.Year(); {
	case year < 1678:
		ns = math.MinInt64
	case year > 2261:
		ns = math.MaxInt64
	}
	return binary.BigEndian.AppendUint64(nil, uint64(ns)^1<<63)
}

func recordKey(r *predictor.JobRecord) []byte { return append(finishedKey(r.Finished), r.ID...) }

func sequenceKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// stored is the value of a record.
type stored struct {
	Sequence uint64 `json:"sequence"`
	predictor.JobRecord
}

func encode(r *predictor.JobRecord, sequence uint64) ([]byte, error) {
	return json.Marshal(stored{sequence, *r})
}

// decode reads the value at key.
func decode(key, value []byte) (predictor.Entry, error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return predictor.Entry{}, fmt.Errorf("record %s: %w: %w", idOf(key), predictor.ErrDamaged, err)
	}
	return predictor.Entry{JobRecord: s.JobRecord, Sequence: s.Sequence}, nil
}

// idOf is the id in a record's key, for errors.
func idOf(key []byte) string { return fmt.Sprintf("%.256q", key[min(8, len(key)):]) }

func sequenceOf(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}
