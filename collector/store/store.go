// Package store keeps the history of finished jobs and the registry of models in
// one bbolt file. It is the only importer of bbolt.
//
// # Keys
//
//	records     finished id      => JobRecord with its sequence (JSON)
//	ids         id               => finished (makes Put idempotent)
//	sequence    sequence         => finished id (what Follow reads)
//	watermarks  name             => time (RFC 3339)
//	models      version          => ModelInfo (JSON)
//	artifacts   version          => bytes of the artifact
//	meta        schema           => 1
//	            champion         => version of the model in service
//
// finished is the end of the job in Unix nanoseconds, sequence counts from 1;
// both are eight bytes, big endian, finished with its sign bit flipped, so that
// keys sort by time also before 1970.
//
// # One owner
//
// bbolt gives the file to one process at a time. Inside that process a Store is
// safe for concurrent use; readers see a consistent state of each batch they read
// and never hold a transaction while their consumer works, so a slow consumer
// does not make the file grow. What is removed leaves free pages behind, which are
// used again: the file does not shrink.
//
// A write that changes nothing does not touch the file.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/runcast/runcast/predictor"
)

// Schema is the version of the keys above that this package writes.
const Schema = 1

var (
	bucketRecords    = []byte("records")
	bucketIDs        = []byte("ids")
	bucketSequence   = []byte("sequence")
	bucketWatermarks = []byte("watermarks")
	bucketModels     = []byte("models")
	bucketArtifacts  = []byte("artifacts")
	bucketMeta       = []byte("meta")

	keySchema   = []byte("schema")
	keyChampion = []byte("champion")
)

// buckets are all there are.
var buckets = [][]byte{bucketRecords, bucketIDs, bucketSequence, bucketWatermarks, bucketModels, bucketArtifacts, bucketMeta}

// A Store is one open file. It implements predictor.History and predictor.Models.
type Store struct {
	db   *bbolt.DB
	path string

	mu      sync.Mutex
	changed chan struct{} // closed by the next change, and by Close
}

var (
	_ predictor.History = (*Store)(nil)
	_ predictor.Models  = (*Store)(nil)
)

// Close waits for transactions to end and closes the file. Those who follow or
// watch end with ErrClosed.
func (s *Store) Close() error {
	err := s.db.Close()
	s.wakeAll()
	return s.named(err)
}

// Backup writes a copy of the file as it is now, while others go on reading and
// writing. The file grows if they write much before w has taken it all.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	return s.view(ctx, func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}

// gap is more than the records that anyone stores between a copy and its return.
const gap = 1 << 32

// Succeed prepares a copy of an earlier state to take the place of a later one: what is
// stored from now on gets sequences that the later one has not given, so that who
// followed that one misses none of it.
func (s *Store) Succeed(ctx context.Context) error {
	return s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		b := tx.Bucket(bucketSequence)
		return true, b.SetSequence(b.Sequence() + gap)
	})
}

// view runs a read transaction. What bbolt panics with is damage to the file.
func (s *Store) view(ctx context.Context, read func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.named(guard(func() error { return s.db.View(read) }))
}

// update runs a write transaction and commits it if write says that it has
// changed anything; else the file stays as it is.
func (s *Store) update(ctx context.Context, write func(*bbolt.Tx) (changed bool, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	changed := false
	err := guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // its only error is that Commit has ended tx
		if changed, err = write(tx); err != nil || !changed {
			return err
		}
		return tx.Commit()
	})
	if err == nil && changed {
		s.wakeAll()
	}
	return s.named(err)
}

// guard turns a panic, with which bbolt meets pages that make no sense, into ErrDamaged.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", predictor.ErrDamaged, p)
		}
	}()
	return f()
}

// named adds the file to an error.
func (s *Store) named(err error) error {
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		err = ErrClosed
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", s.path, err)
	}
	return nil
}

// wake returns a channel that the next change closes. To miss none, ask for it
// before reading.
func (s *Store) wake() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Store) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}
