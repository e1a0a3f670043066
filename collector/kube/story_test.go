package kube_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/kube"
)

var update = flag.Bool("update", false, "rewrite the stories' expectations; read the diff")

// TestStories plays what happens to the objects of a cluster, in fake time, and
// compares what the source delivers, and when. A story's lines are a time since its
// start and what cluster.do understands; "collect" starts the source, which else is
// there from the start, and "stop" stops it.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("stories: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			story, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(story.Files) != 2 {
				t.Fatalf("%s: expected events and want, got %d parts", file, len(story.Files))
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(story.Files[0].Data)) })
			if *update {
				story.Files[1].Data = []byte(got)
				writeFile(t, file, txtar.Format(story))
				return
			}
			if diff := cmp.Diff(string(story.Files[1].Data), got); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
		})
	}
}

// play runs a story and prints what was delivered.
func play(t *testing.T, events string) string {
	var out strings.Builder
	c := newCluster(t)
	start := time.Now()
	deliver := func(_ context.Context, jobs []collector.Finished) error {
		for _, f := range jobs {
			print(&out, start, f)
		}
		return nil
	}
	stop := func() {}
	collect := func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		source, err := kube.New(c.client, "", slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- source.Run(ctx, deliver) }()
		stop = func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			stop = func() {}
		}
	}
	if !strings.Contains(events, " collect\n") || strings.Contains(events, " stop\n") {
		collect()
	}
	for line := range strings.Lines(events) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		if line == "" {
			continue
		}
		at, event, _ := strings.Cut(line, " ")
		d, err := time.ParseDuration(at)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		time.Sleep(time.Until(start.Add(d)))
		switch event = strings.TrimSpace(event); event {
		case "collect":
			collect()
		case "stop":
			stop()
		default:
			c.do(event)
		}
		synctest.Wait()
	}
	time.Sleep(2 * time.Minute)
	stop()
	return out.String()
}

// print writes all that is known of a job, with times since the story's start.
func print(out *strings.Builder, start time.Time, f collector.Finished) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "?"
		}
		return t.Sub(start).String()
	}
	r := f.Record
	fmt.Fprintf(out, "%v %s %s: submitted %s, started %s, finished %s", time.Since(start).Truncate(time.Second), r.Name, r.Outcome, at(r.Submitted), at(r.Started), at(r.Finished))
	field := func(name string, value any) {
		if s := fmt.Sprint(value); s != "" && s != "0" && s != "map[]" {
			fmt.Fprintf(out, ", %s %s", name, s)
		}
	}
	if r.ExitCode != nil {
		fmt.Fprintf(out, ", exit code %d", *r.ExitCode)
	}
	field("attempts", r.Attempts)
	field("oom kills", r.OOMKills)
	field("priority", r.Priority)
	field("node type", r.NodeType)
	field("GPU", r.GPUModel)
	field("features", r.Features)
	if r.Served != nil {
		fmt.Fprintf(out, ", served %v", r.Served.Runtime.P50)
	}
	fmt.Fprintln(out)
	for _, p := range f.Pods {
		fmt.Fprintf(out, "\t%s on %q from %s to %s\n", p.Name, p.Node, at(p.Started), at(p.Finished))
	}
	if err := r.Validate(); err != nil || !f.FromAPI {
		fmt.Fprintf(out, "\tINVALID: %v, from the API: %v\n", err, f.FromAPI)
	}
	if want := collector.JobID("", r.Namespace, r.Name, r.Submitted); r.ID != want {
		fmt.Fprintf(out, "\tID %s, want %s\n", r.ID, want)
	}
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLiveAndLate: as long as its objects are there, a job tells the same to a
// source that watched it and to one that was started after its end, so that
// delivering it again at the next start changes nothing.
func TestLiveAndLate(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range files {
		story, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		events := string(story.Files[0].Data)
		if regexp.MustCompile(`(?m)^\S+ +(vanish|delete|annotate|collect|restart) `).MatchString(events) {
			continue // not all is there in the end, or the story is about the start
		}
		compared++
		untimed := func(events string) (out string) {
			synctest.Test(t, func(t *testing.T) { out = play(t, events) })
			return regexp.MustCompile(`(?m)^\S+ `).ReplaceAllString(out, "")
		}
		if diff := cmp.Diff(untimed(events), untimed(events+"10m collect\n")); diff != "" {
			t.Errorf("%s (-live +late):\n%s", file, diff)
		}
	}
	if compared < 5 {
		t.Errorf("only %d stories compared", compared)
	}
}
