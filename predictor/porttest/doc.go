// Package porttest checks that an implementation of a port of package predictor
// does what the port says. Every implementation calls it from its tests.
package porttest

import (
	"encoding/json"
	"testing"
)

// wantSame compares values of the vocabulary by their JSON, which shows every
// field.
func wantSame(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) {
		t.Errorf("%s: got %s\nwant %s", what, g, w)
	}
}
