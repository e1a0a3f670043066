package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// crashFile, if set, makes the test binary the process that is killed.
const crashFile = "RUNCAST_STORE_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		fmt.Fprintln(os.Stderr, putForEver(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const crashBatch = 20

// crashRecords are batch i: new records, and better ones for half of batch i-1.
func crashRecords(i int) []predictor.JobRecord {
	var records []predictor.JobRecord
	for j := range crashBatch {
		r := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: fmt.Sprintf("%d/%d", i, j)}, Finished: time.Unix(int64(i), int64(j))}
		r.Quality = predictor.QualityNone
		records = append(records, r)
		if i > 0 && j%2 == 0 {
			r.ID, r.Quality = fmt.Sprintf("%d/%d", i-1, j), predictor.QualityExact
			records = append(records, r)
		}
	}
	return records
}

// putForEver goes on where the watermark stands, and prints each batch that the
// store has acknowledged.
func putForEver(path string) error {
	ctx := context.Background()
	s, err := Open(path, Options{LockTimeout: 10 * time.Second}) // the killed one may still be dying
	if err != nil {
		return err
	}
	mark, err := s.Watermark(ctx, "crash")
	if err != nil {
		return err
	}
	next := 0
	if !mark.IsZero() {
		next = int(mark.Unix()) + 1
	}
	for ; ; next++ {
		if _, err := s.PutWithWatermark(ctx, crashRecords(next), "crash", time.Unix(int64(next), 0)); err != nil {
			return err
		}
		if _, err := fmt.Println(next); err != nil {
			return err
		}
	}
}

// TestCrash kills a process in the middle of its Puts, again and again: what was
// acknowledged is there once, and records and watermark agree.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runcast.db")
	rng := rand.New(rand.NewPCG(8, 9))
	for round := range 5 {
		acknowledged := killAfter(t, path, 1+rng.IntN(20))

		s, err := Open(path, Options{LockTimeout: 10 * time.Second})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		mark, err := s.Watermark(t.Context(), "crash")
		if err != nil {
			t.Fatal(err)
		}
		last := int(mark.Unix()) // may be one batch further: stored, but not yet acknowledged
		if last < acknowledged || last > acknowledged+1 {
			t.Fatalf("round %d: the watermark is at batch %d, %d was acknowledged", round, last, acknowledged)
		}
		want := map[string]predictor.Quality{}
		for i := range last + 1 {
			for _, r := range crashRecords(i) {
				want[r.ID] = r.Quality
			}
		}
		n := 0
		for e, err := range s.Records(t.Context(), time.Time{}, time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			if q, ok := want[e.ID]; !ok || q != e.Quality {
				t.Fatalf("round %d: record %s has quality %q, want %q", round, e.ID, e.Quality, q)
			}
			n++
		}
		if n != len(want) {
			t.Fatalf("round %d: %d records, want %d", round, n, len(want))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs a process that puts, kills it once n more batches are
// acknowledged, and returns the last one that was.
func killAfter(t *testing.T, path string, n int) (last int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ { // to the end: acknowledged before the kill came
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatal(err)
		}
		if i+1 == n {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || child.ProcessState.Exited() {
		t.Fatalf("the process was not killed: %v", err)
	}
	return last
}
