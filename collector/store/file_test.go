package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/porttest"
)

// fileSum identifies the exact bytes of a file.
func fileSum(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// TestNothingChanges checks that a call that changes nothing leaves every byte of
// the file as it is.
func TestNothingChanges(t *testing.T) {
	s := newTest(t)
	ctx := t.Context()
	rich := porttest.Full("a")
	poor := rich
	poor.Quality, poor.Served = predictor.QualitySparse, nil
	now := time.Unix(1_800_000_000, 0)
	if n, err := s.PutWithWatermark(ctx, []predictor.JobRecord{rich}, "backfill", now); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	publish := func(version string) error {
		return s.Publish(ctx, predictor.ModelInfo{Version: version}, strings.NewReader("artifact"))
	}
	if err := publish("v1"); err != nil {
		t.Fatal(err)
	}
	before := fileSum(t, s.path)
	for name, call := range map[string]func() (int, error){
		"put nothing":   func() (int, error) { return s.Put(ctx, nil) },
		"put again":     func() (int, error) { return s.Put(ctx, []predictor.JobRecord{rich}) },
		"put poorer":    func() (int, error) { return s.Put(ctx, []predictor.JobRecord{poor, poor}) },
		"put invalid":   func() (int, error) { n, err := s.Put(ctx, []predictor.JobRecord{{}}); return n, unless(err) },
		"same mark":     func() (int, error) { return s.PutWithWatermark(ctx, []predictor.JobRecord{rich}, "backfill", now) },
		"prune":         func() (int, error) { return s.Prune(ctx, now, 1e4*time.Hour*24, 1) },
		"publish again": func() (int, error) { return 0, publish("v1") },
		"publish bad":   func() (int, error) { return 0, unless(publish("")) },
		"promote":       func() (int, error) { return 0, s.Promote(ctx, "v1") },
		"promote none":  func() (int, error) { return 0, unless(s.Promote(ctx, "v2")) },
		"check":         func() (int, error) { return 0, s.Check(ctx) },
		"backup":        func() (int, error) { return 0, s.Backup(ctx, new(bytes.Buffer)) },
	} {
		if n, err := call(); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if fileSum(t, s.path) != before {
			t.Fatalf("%s changed the file", name)
		}
	}
}

// unless is an error if there is none.
func unless(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}

// TestOpenRefuses checks that files which are not a store of this schema are
// refused with a clear word, and left as they are.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	s, err := Open(good, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var records []predictor.JobRecord
	for range 500 {
		r := porttest.Full(strings.Repeat("x", len(records)+1))
		records = append(records, r)
	}
	if _, err := s.Put(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bolt := func(o *bbolt.Options, change func(*bbolt.Tx) error) func(string) error {
		return func(path string) error {
			db, err := bbolt.Open(path, 0o600, o)
			if err != nil {
				return err
			}
			return errors.Join(db.Update(change), db.Close())
		}
	}
	write := func(b []byte) func(string) error {
		return func(path string) error { return os.WriteFile(path, b, 0o600) }
	}
	ours := func(change func(meta *bbolt.Bucket) error) func(string) error {
		return func(path string) error {
			return errors.Join(write(whole)(path), bolt(nil, func(tx *bbolt.Tx) error { return change(tx.Bucket(bucketMeta)) })(path))
		}
	}
	zeroed := func(from, to int) []byte {
		b := bytes.Clone(whole)
		clear(b[from:to])
		return b
	}
	page := os.Getpagesize()
	for _, c := range []struct {
		name string
		make func(path string) error
		is   error
		says string
	}{
		{"text", write([]byte("id,finished_seconds\n")), ErrForeign, "expected a bbolt database"},
		{"zeros", write(make([]byte, 1<<20)), ErrForeign, "expected a bbolt database"},
		{"other bbolt", bolt(nil, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("users")); return err }), ErrForeign, `expected the bucket "meta"`},
		{"other bbolt without a freelist", bolt(&bbolt.Options{NoFreelistSync: true}, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("users")); return err }), ErrForeign, `expected the bucket "meta"`},
		{"other meta", bolt(nil, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("meta")); return err }), ErrForeign, "expected a schema version"},
		{"newer", ours(func(b *bbolt.Bucket) error { return b.Put(keySchema, []byte("2")) }), predictor.ErrNewerSchema, "schema 2, this one reads up to 1"},
		{"bad schema", ours(func(b *bbolt.Bucket) error { return b.Put(keySchema, []byte("one")) }), predictor.ErrDamaged, `got "one"`},
		{"bucket lost", ours(func(b *bbolt.Bucket) error { return b.Tx().DeleteBucket(bucketIDs) }), predictor.ErrDamaged, `expected the bucket "ids"`},
		{"cut to a page", write(whole[:page]), predictor.ErrDamaged, "too small"},
		{"cut in the middle", write(whole[:len(whole)/2]), predictor.ErrDamaged, "cut off"},
		{"both metas zeroed behind the magic", write(append(zeroed(24, page)[:page:page], zeroed(page+24, 2*page)[page:]...)), predictor.ErrDamaged, ""},
		{"all but the metas zeroed", write(zeroed(2*page, len(whole))), predictor.ErrDamaged, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.db")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			before := fileSum(t, path)
			for range 2 { // the second time nothing holds a lock
				_, err := Open(path, Options{})
				if !errors.Is(err, c.is) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("Open: %v; want the path, %q and %q", err, c.is, c.says)
				}
			}
			if fileSum(t, path) != before {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenInUse(t *testing.T) {
	s := newTest(t)
	_, err := Open(s.path, Options{LockTimeout: 10 * time.Millisecond})
	if want := "open store " + s.path + ": in use by another process (waited 10ms)"; !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOpenMustExist(t *testing.T) {
	dir := t.TempDir()
	none, empty := filepath.Join(dir, "none.db"), filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(none, Options{MustExist: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := os.Stat(none); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file was made all the same")
	}
	if _, err := Open(empty, Options{MustExist: true}); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v, want %v", err, ErrForeign)
	}
	if _, err := Open(dir, Options{}); err == nil || errors.Is(err, predictor.ErrDamaged) {
		t.Errorf("opening a folder: %v", err)
	}
	openTest(t, empty) // may be filled
}

// TestOpenBlank opens what a process leaves that ended while it made the file.
func TestOpenBlank(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blank.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, path)
	if n, err := s.Len(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestClosed(t *testing.T) {
	s := newTest(t)
	ended := make(chan error)
	go func() {
		var last error
		for _, last = range s.Follow(context.Background(), 0) {
		}
		ended <- last
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("Follow ended with %v, want %v", err, ErrClosed)
	}
	if _, err := s.Put(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Put: %v, want %v", err, ErrClosed)
	}
	if _, err := s.Champion(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Champion: %v, want %v", err, ErrClosed)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// A copy holds what was stored before it was made. In the place of the store it has what
// comes then for those who have followed the store further.
func TestBackup(t *testing.T) {
	s := newTest(t)
	put := func(s *Store, id string) {
		t.Helper()
		if _, err := s.Put(t.Context(), []predictor.JobRecord{porttest.Full(id)}); err != nil {
			t.Fatal(err)
		}
	}
	put(s, "a")
	path := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Backup(t.Context(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
	put(s, "b")
	put(s, "c")
	const followed = 3

	restored := openTest(t, path)
	if n, err := restored.Len(t.Context()); n != 1 || err != nil {
		t.Errorf("the copy has %d records, %v", n, err)
	}
	if err := restored.Succeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(restored, "d")
	for e, err := range restored.Follow(t.Context(), followed) {
		if err != nil || e.ID != "d" {
			t.Errorf("followed %s, %v", e.ID, err)
		}
		break
	}
}

// TestSlowConsumer checks that no transaction is open while a consumer works.
func TestSlowConsumer(t *testing.T) {
	s := newTest(t)
	if _, err := s.Put(t.Context(), []predictor.JobRecord{porttest.Full("a"), porttest.Full("b")}); err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		if n := s.db.Stats().OpenTxN; n != 0 {
			t.Errorf("%s: %d transactions are open in the loop's body", name, n)
		}
	}
	for _, err := range s.Records(t.Context(), time.Time{}, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		check("Records")
	}
	for e, err := range s.Follow(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		check("Follow")
		if e.Sequence == 2 {
			break
		}
	}
}
