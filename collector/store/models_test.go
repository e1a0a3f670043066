package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// TestModelsAreBounded: the newest models are kept, and the one in service however old it is.
func TestModelsAreBounded(t *testing.T) {
	s := newTest(t)
	ctx := t.Context()
	publish := func(age int) {
		t.Helper()
		info := predictor.ModelInfo{Version: fmt.Sprint("v", age), Created: time.Unix(int64(-age), 0)}
		if err := s.Publish(ctx, info, strings.NewReader(info.Version)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(versions ...int) {
		t.Helper()
		infos, err := s.List(ctx)
		var got, want []string
		for _, i := range infos {
			got = append(got, i.Version)
		}
		for _, v := range versions {
			want = append(want, fmt.Sprint("v", v))
		}
		if g, w := strings.Join(got, " "), strings.Join(want, " "); g != w || err != nil {
			t.Errorf("kept %s, %v; want %s", g, err, w)
		}
	}
	var newest []int
	for age := range maxModels {
		newest = append(newest, age)
	}
	for age := maxModels + 5; age >= 0; age-- {
		publish(age)
	}
	want(newest...)
	if _, err := s.Artifact(ctx, fmt.Sprint("v", maxModels)); !errors.Is(err, predictor.ErrNotFound) {
		t.Errorf("Artifact of a dropped model: %v; want %v", err, predictor.ErrNotFound)
	}
	publish(99) // by a trainer whose clock is behind
	want(append(newest, 99)...)
	publish(98)
	want(append(newest, 98)...)
}
