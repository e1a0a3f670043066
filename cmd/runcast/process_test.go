package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
