package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/runcast/runcast/predictor"
)

// Options say how a file is opened.
type Options struct {
	// MustExist refuses to make a new file, with an error that is os.ErrNotExist.
	MustExist bool
	// LockTimeout is how long to wait for another process to close the file; 0 is
	// one second.
	LockTimeout time.Duration
}

// Open opens the file for this process alone, and makes it if there is none.
//
// The error is ErrInUse, ErrForeign, predictor.ErrDamaged or
// predictor.ErrNewerSchema, or one of the file system; in all these cases the
// file is left exactly as it is.
func Open(path string, opts Options) (*Store, error) {
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = time.Second
	}
	s, err := open(path, opts)
	if errors.Is(err, bbolterrors.ErrTimeout) {
		err = fmt.Errorf("%w (waited %v)", ErrInUse, opts.LockTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func open(path string, opts Options) (*Store, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() > 0:
		if err := probe(path, opts.LockTimeout); err != nil {
			return nil, err
		}
	case opts.MustExist && err == nil:
		return nil, fmt.Errorf("%w: the file is empty", ErrForeign)
	case opts.MustExist || err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	db, err := openBolt(path, &bbolt.Options{Timeout: opts.LockTimeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	err = guard(func() error {
		if err := verify(db); !errors.Is(err, errBlank) {
			return err
		}
		return db.Update(initialize)
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db: db, path: path, changed: make(chan struct{})}, nil
}

// probe looks at an existing file through a handle that cannot write, because
// bbolt may tidy up a file that it opens for writing.
func probe(path string, timeout time.Duration) error {
	if err := checkMagic(path); err != nil {
		return err
	}
	db, err := openBolt(path, &bbolt.Options{Timeout: timeout, ReadOnly: true})
	if err != nil {
		return err
	}
	if err = guard(func() error { return verify(db) }); errors.Is(err, errBlank) {
		err = nil
	}
	return errors.Join(err, db.Close())
}

// checkMagic tells a file of another kind from a damaged one: one of bbolt's two
// meta pages has its magic number.
func checkMagic(path string) error {
	const magic, offset = 0xED0CDAED, 16 // bbolt internal/common: Meta, behind the page's header
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	head := make([]byte, 64<<10+offset+4)
	n, err := io.ReadFull(f, head)
	if err = errors.Join(ignoreShort(err), f.Close()); err != nil {
		return err
	}
	is := func(page int) bool {
		at := page + offset
		return at+4 <= n && binary.NativeEndian.Uint32(head[at:]) == magic
	}
	for size := 1 << 10; size <= 64<<10; size *= 2 { // page sizes that there are
		if is(0) || is(size) {
			return nil
		}
	}
	return fmt.Errorf("%w: expected a bbolt database", ErrForeign)
}

func ignoreShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// openBolt opens a file that is new or has bbolt's magic number, so that an
// error about its content is damage. A panic, or a fault on a page beyond the
// file's end, does not leave the lock behind.
func openBolt(path string, o *bbolt.Options) (db *bbolt.DB, err error) {
	var file *os.File
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(fmt.Errorf("%w: %v", predictor.ErrDamaged, p), file.Close())
		}
	}()
	db, err = bbolt.Open(path, 0o600, o)
	var system syscall.Errno
	if err != nil && !errors.Is(err, bbolterrors.ErrTimeout) && !errors.As(err, &system) {
		err = fmt.Errorf("%w: %w", predictor.ErrDamaged, err)
	}
	return db, err
}

// errBlank is a bbolt file without anything in it, as is left behind by a
// process that ended while it made one.
var errBlank = errors.New("blank")

// verify checks that a database is a store of this schema or an older one.
func verify(db *bbolt.DB) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.View(func(tx *bbolt.Tx) error {
		if err := checkSize(tx); err != nil {
			return err
		}
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			if name, _ := tx.Cursor().First(); name == nil {
				return errBlank
			}
			return fmt.Errorf("%w: expected the bucket %q", ErrForeign, bucketMeta)
		}
		schema, err := strconv.Atoi(string(meta.Get(keySchema)))
		switch {
		case meta.Get(keySchema) == nil:
			return fmt.Errorf("%w: expected a schema version in the bucket %q", ErrForeign, bucketMeta)
		case err != nil || schema < 1:
			return fmt.Errorf("%w: expected a schema version, got %.20q", predictor.ErrDamaged, meta.Get(keySchema))
		case schema > Schema:
			return fmt.Errorf("schema %d, this one reads up to %d: %w", schema, Schema, predictor.ErrNewerSchema)
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: expected the bucket %q", predictor.ErrDamaged, name)
			}
		}
		return nil
	})
}

// checkSize checks that the file is as long as it says.
func checkSize(tx *bbolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: cut off at %d of %d bytes", predictor.ErrDamaged, info.Size(), tx.Size())
	}
	return nil
}

func initialize(tx *bbolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keySchema, strconv.AppendInt(nil, Schema, 10))
}
