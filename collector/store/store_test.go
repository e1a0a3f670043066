package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/porttest"
)

// openTest opens a store that is checked and closed when the test ends.
func openTest(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, s) })
	return s
}

func closeTest(t testing.TB, s *Store) {
	t.Helper()
	err := s.Check(context.Background()) // the test's own context has ended
	if errors.Is(err, ErrClosed) {
		return // the test has closed it
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
}

func newTest(t testing.TB) *Store {
	t.Helper()
	return openTest(t, filepath.Join(t.TempDir(), "runcast.db"))
}

func TestHistory(t *testing.T) {
	porttest.History(t, func(t *testing.T) predictor.History { return newTest(t) })
}

func TestModels(t *testing.T) {
	porttest.Models(t, func(t *testing.T) predictor.Models { return newTest(t) })
}
