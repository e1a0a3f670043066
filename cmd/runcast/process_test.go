package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runcast/runcast/predictor/recommender"
)

// A probe fails with everything that is wrong, and says of which part.
func TestProbe(t *testing.T) {
	var plan, store error
	handler := probe(map[string]func() error{
		"scheduler": func() error { return plan },
		"collector": func() error { return store },
	})
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		return w.Code, w.Body.String()
	}
	if code, text := ask(); code != http.StatusOK || text != "ok\n" {
		t.Errorf("in good health: %d, %q", code, text)
	}
	plan, store = errors.New("no plan since noon"), errors.New("stalled")
	if code, text := ask(); code != http.StatusServiceUnavailable || !strings.Contains(text, "scheduler: no plan since noon") || !strings.Contains(text, "collector: stalled") {
		t.Errorf("with two faults: %d, %q", code, text)
	}
	plan, store = nil, nil
	if code, _ := ask(); code != http.StatusOK {
		t.Errorf("recovered: %d", code)
	}
}

// The probes of a process tell of its loops: the scheduler is ready once it has planned,
// and either is alive while its last turn is no more than a minute and four of its
// intervals ago.
func TestProbesOfLoops(t *testing.T) {
	config := configFor(t, newAPI(t, nil), "scheduler: {replan: 1s}\nrecommender: {interval: 10s}\n")
	p, err := newProcess(&globals{log: slog.New(slog.DiscardHandler)}, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addScheduler(nil); err != nil {
		t.Fatal(err)
	}
	if err := p.addRecommender(nil, (*recommender.Loop).Run); err != nil {
		t.Fatal(err)
	}
	handler := p.handler()
	ask := func(path string, later time.Duration) string {
		p.now = func() time.Time { return time.Now().Add(later) }
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	const good, late = "200 ok\n", time.Hour
	if got := ask("/readyz", 0); got != "503 scheduler: no plan yet: waiting for the API server\n" {
		t.Errorf("ready before the first plan: %s", got)
	}
	if got := ask("/healthz", late); got != good {
		t.Errorf("alive before its first turn: %s", got)
	}

	var loops errgroup.Group
	ctx, cancel := context.WithCancel(t.Context())
	for _, loop := range p.loops {
		loops.Go(func() error { return loop(ctx) })
	}
	both := func() bool {
		got := ask("/healthz", late)
		return strings.Contains(got, "scheduler: no plan since ") && strings.Contains(got, "recommender: no round since ")
	}
	for deadline := time.Now().Add(time.Minute); !both(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("both have been silent for %v: %s", late, ask("/healthz", late))
		}
	}
	if got := ask("/readyz", 0); got != good {
		t.Errorf("ready with a plan: %s", got)
	}
	for later, want := range map[time.Duration]string{
		0: good, 50 * time.Second: good, 65 * time.Second: "503 scheduler: no plan since ",
	} {
		if got := ask("/healthz", later); !strings.HasPrefix(got, want) || strings.Contains(got, "recommender") {
			t.Errorf("alive %v after its last turn: %s", later, got)
		}
	}
	cancel()
	if err := loops.Wait(); err != nil {
		t.Error(err)
	}
}
