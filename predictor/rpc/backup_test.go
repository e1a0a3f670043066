package rpc

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/collector/store"
)

// A copy over the wire is the file, whatever the size of its parts.
func TestBackUp(t *testing.T) {
	s := openStore(t)
	l := newLink(t, func(server *Server) { server.RegisterBackup(s.Backup) })
	if _, err := s.Put(t.Context(), someRecords(3000)); err != nil { // some 4 MiB
		t.Fatal(err)
	}
	var copied bytes.Buffer
	if err := l.BackUp(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	if copied.Len() < 2*chunkBytes {
		t.Errorf("only %d bytes: not several messages", copied.Len())
	}
	path := filepath.Join(t.TempDir(), "copy.bolt")
	if err := os.WriteFile(path, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := store.Open(path, store.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.Len(t.Context()); n != 3000 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}

// What goes wrong on either side is told, so that half a copy is not taken for a whole.
func TestBackUpFails(t *testing.T) {
	l := newLink(t, func(server *Server) { server.RegisterBackup(openStore(t).Backup) })
	full := errors.New("no space left")
	if err := l.BackUp(t.Context(), writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("the client cannot write: %v", err)
	}
	closed := openStore(t)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	l = newLink(t, func(server *Server) { server.RegisterBackup(closed.Backup) })
	if err := l.BackUp(t.Context(), io.Discard); status.Code(err) != codes.Internal {
		t.Errorf("the server cannot read: %v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
