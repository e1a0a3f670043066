package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/runcast/runcast/collector/store"
)

// A day and one queue of the demo: what was made up comes back, and each order is played.
func TestDemo(t *testing.T) {
	var out strings.Builder
	kept := filepath.Join(t.TempDir(), "demo.bolt")
	show := func(ctx context.Context) error {
		out.Reset()
		d := demo{out: &out, log: slog.New(slog.DiscardHandler), src: rand.New(rand.NewPCG(1, 0)), days: 1, queues: 1, keep: kept}
		return d.show(ctx)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := show(interrupted); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := os.Lstat(kept); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a history was kept, or %v", err)
	}
	if err := show(t.Context()); err != nil {
		t.Fatalf("%v, after\n%s", err, &out)
	}
	read := regexp.MustCompile(`(\d+) of (\d+) jobs are in the store`).FindStringSubmatch(out.String())
	if read == nil || read[1] != read[2] || read[1] == "0" {
		t.Errorf("not all jobs came back: %q in\n%s", read, &out)
	}
	for _, want := range []string{"the runtime of 100.0%", "the outcome of 100.0%", "240 new jobs, in 1 queue",
		"\n   strict order of submission ", "\n   plain: ", "\n   runcast, with these estimates ", "\n   runcast, had it known runtimes "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q:\n%s", want, &out)
		}
	}

	if err := show(t.Context()); err == nil || !strings.Contains(err.Error(), kept+" is there already") {
		t.Errorf("a second history into the same file: %v", err)
	}
	s, err := store.Open(kept, store.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n, err := s.Len(t.Context()); err != nil || n == 0 {
		t.Errorf("the file that was kept has %d records, %v", n, err)
	}
}
