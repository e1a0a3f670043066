package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const metricsIntro = `# Metrics

What the processes serve under ` + "`/metrics`" + `, beside client_golang's of the process and of Go; ` + "`make generate`" + ` writes this
page. Names that end in ` + "`_total`" + ` are counters. Durations are in seconds, memory is in bytes.

A label ` + "`queue`" + ` has at most a hundred values; the jobs of further queues count as ` + "`other`" + `, those
without one as ` + "`none`" + `. So has a label ` + "`family`" + `, which is the namespace and the annotation
` + "`runcast.dev/job-family`" + ` of a job, or else its controller: ` + "`ml/CronJob/nightly`" + `; and so has a label ` + "`resource`" + `.
`

var descPattern = regexp.MustCompile(`fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// TestMetricsDoc holds docs/metrics.md to what the processes register.
func TestMetricsDoc(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	config := filepath.Join(dir, "runcast.yaml")
	for file, text := range map[string]string{
		kubeconfig: `{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x}}], clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}]}`,
		config:     fmt.Sprintf("kubernetes: {kubeconfig: %s}\nprometheus: {url: \"http://127.0.0.1:1\"}\nstore: {path: %s}\n", kubeconfig, filepath.Join(dir, "runcast.bolt")),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := newProcess(&globals{log: slog.New(slog.DiscardHandler)}, config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := addAll(p); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		p.metrics.Describe(descs)
	}()
	rows := map[string]string{}
	for d := range descs {
		m := descPattern.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("a metric describes itself as %s", d)
		}
		name, help := m[1], strings.ReplaceAll(m[2], `\"`, `"`)
		if !strings.HasPrefix(name, "runcast_") {
			continue
		}
		var labels []string
		for l := range strings.SplitSeq(m[4]+","+regexp.MustCompile(`="[^"]*"`).ReplaceAllString(m[3], ""), ",") {
			if l != "" {
				labels = append(labels, "`"+l+"`")
			}
		}
		if help == "" || !strings.HasSuffix(help, ".") {
			t.Errorf("%s: help %q is not a sentence", name, help)
		}
		rows[name] = fmt.Sprintf("| `%s` | %s | %s |\n", name, strings.Join(labels, ", "), help)
	}
	want := metricsIntro
	last := ""
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if part := strings.Join(strings.SplitN(name, "_", 3)[:2], "_"); part != last {
			want += fmt.Sprintf("\n## %s\n\n| metric | labels | meaning |\n|---|---|---|\n", part)
			last = part
		}
		want += rows[name]
	}
	const file = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/metrics.md is not what the processes register; make generate writes it (-page +program):\n%s", diff)
	}
}
