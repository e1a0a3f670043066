package porttest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// Models checks an implementation of predictor.Models. open returns an empty one
// each time it is called.
func Models(t *testing.T, open func(t *testing.T) predictor.Models) {
	for _, c := range []struct {
		name string
		test func(*testing.T, predictor.Models)
	}{
		{"empty", emptyModels},
		{"publish", publish},
		{"publish again", publishAgain},
		{"publish damaged", publishDamaged},
		{"promote", promote},
		{"watch", watch},
		{"large", largeArtifact},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// info describes a model of which Size and SHA256 are left to the registry.
func info(version string, n int) predictor.ModelInfo {
	return predictor.ModelInfo{
		Version: version, Created: second(n).Add(5), Schema: 3, Records: 1000, From: second(0), To: second(n),
		Sequence: 1 << 40, PinballP50: 12.5, PinballP90: 1.0 / 3, Reason: "it is better",
	}
}

func mustPublish(t *testing.T, m predictor.Models, info predictor.ModelInfo, artifact string) {
	t.Helper()
	if err := m.Publish(t.Context(), info, bytes.NewReader([]byte(artifact))); err != nil {
		t.Fatal(err)
	}
}

func wantChampion(t *testing.T, m predictor.Models, version string) {
	t.Helper()
	if got, err := m.Champion(t.Context()); err != nil || got.Version != version || !got.Champion {
		t.Fatalf("Champion = %+v, %v; want %s", got, err, version)
	}
}

// wantList checks the versions; the champion's ends in a star.
func wantList(t *testing.T, m predictor.Models, want ...string) []predictor.ModelInfo {
	t.Helper()
	infos, err := m.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		v := i.Version
		if i.Champion {
			v += "*"
		}
		got = append(got, v)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("List = %v, want %v", got, want)
	}
	return infos
}

func emptyModels(t *testing.T, m predictor.Models) {
	if got, err := m.Champion(t.Context()); !errors.Is(err, predictor.ErrNoModel) {
		t.Errorf("Champion = %+v, %v; want %v", got, err, predictor.ErrNoModel)
	}
	if got, err := m.Artifact(t.Context(), "none"); !errors.Is(err, predictor.ErrNotFound) {
		t.Errorf("Artifact = %q, %v; want %v", got, err, predictor.ErrNotFound)
	}
	if err := m.Promote(t.Context(), "none"); !errors.Is(err, predictor.ErrNotFound) {
		t.Errorf("Promote = %v; want %v", err, predictor.ErrNotFound)
	}
	wantList(t, m)
}

func publish(t *testing.T, m predictor.Models) {
	mustPublish(t, m, info("v2", 2), "two")
	mustPublish(t, m, info("v1", 1), "one") // trained on less, published later
	wantChampion(t, m, "v1")
	infos := wantList(t, m, "v2", "v1*")

	want := info("v2", 2)
	want.Size = 3
	want.SHA256 = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3" // printf two | sha256sum
	wantSame(t, "List", infos[0], want)
	for version, want := range map[string]string{"v1": "one", "v2": "two"} {
		if got, err := m.Artifact(t.Context(), version); err != nil || string(got) != want {
			t.Errorf("Artifact(%s) = %q, %v; want %q", version, got, err, want)
		}
	}
}

func publishAgain(t *testing.T, m predictor.Models) {
	mustPublish(t, m, info("v1", 1), "one")
	mustPublish(t, m, info("v2", 2), "two")
	before := wantList(t, m, "v2*", "v1")

	again := info("v1", 9)
	again.Reason = "another"
	mustPublish(t, m, again, "one")
	wantSame(t, "after publishing again", wantList(t, m, "v2*", "v1"), before)

	var invalid *predictor.ValidationError
	if err := m.Publish(t.Context(), info("v1", 1), bytes.NewReader([]byte("other"))); !errors.As(err, &invalid) {
		t.Errorf("Publish of other bytes under the same version: %v; want a ValidationError", err)
	}
	if err := m.Publish(t.Context(), info("", 1), bytes.NewReader([]byte("one"))); !errors.As(err, &invalid) {
		t.Errorf("Publish without a version: %v; want a ValidationError", err)
	}
	if err := m.Publish(t.Context(), info("v3", 3), bytes.NewReader(nil)); !errors.As(err, &invalid) {
		t.Errorf("Publish of nothing: %v; want a ValidationError", err)
	}
	if got, err := m.Artifact(t.Context(), "v1"); err != nil || string(got) != "one" {
		t.Errorf("Artifact = %q, %v; want it as it was first published", got, err)
	}
}

func publishDamaged(t *testing.T, m predictor.Models) {
	for _, damage := range []func(*predictor.ModelInfo){
		func(i *predictor.ModelInfo) { i.Size = 4 },
		func(i *predictor.ModelInfo) { i.SHA256 = "00" },
	} {
		bad := info("v1", 1)
		damage(&bad)
		if err := m.Publish(t.Context(), bad, bytes.NewReader([]byte("one"))); !errors.Is(err, predictor.ErrDamaged) {
			t.Errorf("Publish = %v; want %v", err, predictor.ErrDamaged)
		}
	}
	wantList(t, m)
}

func promote(t *testing.T, m predictor.Models) {
	mustPublish(t, m, info("v1", 1), "one")
	mustPublish(t, m, info("v2", 2), "two")
	for _, version := range []string{"v1", "v1", "v2"} {
		if err := m.Promote(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		wantChampion(t, m, version)
	}
	if err := m.Promote(t.Context(), "v3"); !errors.Is(err, predictor.ErrNotFound) {
		t.Errorf("Promote = %v; want %v", err, predictor.ErrNotFound)
	}
	wantList(t, m, "v2*", "v1")
}

// watch checks that a watcher gets the champion, then each other one, until its
// context ends.
func watch(t *testing.T, m predictor.Models) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string)
	last := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		defer close(got)
		close(started)
		for i, err := range m.Watch(ctx) {
			if err != nil {
				last <- err
				return
			}
			if !i.Champion {
				t.Errorf("%s is not marked as the champion", i.Version)
			}
			got <- i.Version
		}
	}()
	<-started
	want := func(version string) {
		t.Helper()
		if g := <-got; g != version {
			t.Fatalf("watched %q, want %q", g, version)
		}
	}
	mustPublish(t, m, info("v1", 1), "one")
	want("v1")
	mustPublish(t, m, info("v2", 2), "two")
	want("v2")
	mustPublish(t, m, info("v2", 2), "two") // changes nothing
	if err := m.Promote(ctx, "v1"); err != nil {
		t.Fatal(err)
	}
	want("v1")
	for i, err := range m.Watch(ctx) { // a second watcher begins with the present
		if err != nil || i.Version != "v1" {
			t.Fatal(i.Version, err)
		}
		break
	}
	cancel()
	if v, open := <-got; open {
		t.Errorf("%q came after the context had ended", v)
	}
	if err := <-last; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch ended with %v, want %v", err, context.Canceled)
	}
}

func largeArtifact(t *testing.T, m predictor.Models) {
	body := bytes.Repeat([]byte("0123456789abcde\n"), 10<<20/16)
	big := info("big", 1)
	big.Created = time.Time{} // unknown
	if err := m.Publish(t.Context(), big, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Artifact(t.Context(), "big"); err != nil || !bytes.Equal(got, body) {
		t.Errorf("Artifact returned %d bytes, %v; want the %d published", len(got), err, len(body))
	}
}
