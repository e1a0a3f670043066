package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"github.com/runcast/runcast/collector/promql"
)

var update = flag.Bool("update", false, "write docs/commands.md and docs/metrics.md")

const commandsIntro = `# Commands

What ` + "`runcast --help`" + ` and the help of each command print; ` + "`make generate`" + ` writes this page.

Results go to stdout; progress, logs and errors go to stderr. With ` + "`--json`" + `, stdout is exactly one JSON object.

| exit status | means |
|---|---|
| 0 | done; for the processes: stopped by SIGINT or SIGTERM, in good order |
| 1 | failed; the message names the file, field, object or address |
| 2 | wrong on the command line |

A first SIGINT or SIGTERM lets a process (` + "`up`, `collector`, `predictor`, `scheduler`, `recommender`" + `) finish what it is writing, a second
one ends it at once. Either is safe: what is stored is stored whole or not at all. All other commands end at once.

A copy or link of the program named ` + "`kubectl-runcast`" + ` on the path makes all of this ` + "`kubectl runcast …`" + `.
`

// TestCommandsDoc holds docs/commands.md to what the commands print.
func TestCommandsDoc(t *testing.T) {
	want := commandsIntro
	add := func(args ...string) {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append(args, "--help"), &stdout, &stderr); code != exitDone || stderr.Len() > 0 {
			t.Errorf("%v --help: exit status %d, %q on stderr", args, code, &stderr)
		}
		title := strings.TrimSpace("runcast " + strings.Join(args, " "))
		want += fmt.Sprintf("\n## %s\n\n```text\n%s```\n", title, &stdout)
	}
	add()
	for _, c := range newRoot().Commands() {
		if c.Name() != "help" {
			add(c.Name())
		}
	}
	const file = "../../docs/commands.md"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/commands.md is not current, run make generate (-want +got):\n%s", diff)
	}
}

// A setting is a row of the tables in docs/configuration.md.
type setting struct{ kind, byDefault string }

// TestConfigurationDoc holds the tables of docs/configuration.md to the fields that
// there are, their kinds and their defaults. What a field becomes that is empty by
// default is for the page to tell.
func TestConfigurationDoc(t *testing.T) {
	byDefault := defaultConfig()
	prometheus := promql.Config{}.WithDefaults()
	prometheus.HTTP = nil // as in prometheus.yml
	byDefault.Prometheus = &prometheus
	text, err := json.Marshal(byDefault)
	if err != nil {
		t.Fatal(err)
	}
	var values any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil {
		t.Fatal(err)
	}
	want := map[string]setting{}
	settings(reflect.TypeFor[Config](), values, "", want)

	md, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\|$")
	got := map[string]setting{}
	for _, m := range row.FindAllStringSubmatch(string(md), -1) {
		s := setting{m[2], m[3]}
		if _, ok := got[m[1]]; ok {
			t.Errorf("docs/configuration.md has %s twice", m[1])
		}
		if want[m[1]].byDefault == "" {
			s.byDefault = ""
		}
		got[m[1]] = s
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(setting{})); diff != "" {
		t.Errorf("docs/configuration.md does not say what the program does (-program +page):\n%s", diff)
	}
	for n, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(md), -1) {
		c := defaultConfig()
		if err := decodeStrict([]byte(block[1]), &c); err != nil {
			t.Errorf("example %d: %v", n+1, err)
		}
	}
}

// settings collects the fields below a type, with the values they have by default.
func settings(t reflect.Type, value any, path string, into map[string]setting) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || decodesItself(t) {
		s := setting{kind: kind(t)}
		if value != nil && value != "" && value != "0s" {
			s.byDefault = fmt.Sprintf("`%v`", value)
		}
		into[path] = s
		return
	}
	inner, _ := value.(map[string]any)
	known := fields(t)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		settings(known[name], inner[name], strings.TrimPrefix(path+"."+name, "."), into)
	}
}

func kind(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[model.Duration]():
		return "duration"
	case t == reflect.TypeFor[promql.HTTPConfig]():
		return "as in prometheus.yml"
	case t.Kind() == reflect.Map:
		return "by name"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Int:
		return "whole number"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "text"
}
