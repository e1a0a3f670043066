package dashboards

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboards into the chart")

const folder = "../chart/dashboards"

// TestFiles holds the chart's files to the code.
func TestFiles(t *testing.T) {
	var want []string
	for _, d := range All() {
		file := filepath.Join(folder, d.Name+".json")
		want = append(want, file)
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("%s is not what the code says; make generate writes it", file)
		}
	}
	got, err := filepath.Glob(folder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

// Every panel says what it is about, and no metric of ours is made up.
func TestPanels(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`\bruncast_[a-z0-9_]+`)
	for _, d := range All() {
		titles := map[string]bool{}
		for _, p := range d.Panels {
			if p.Title == "" || p.Unit == "" || len(p.Queries) == 0 || titles[p.Title] {
				t.Errorf("%s: panel %q lacks a title of its own, a unit or a query", d.Name, p.Title)
			}
			titles[p.Title] = true
			for _, q := range p.Queries {
				if q.Legend == "" {
					t.Errorf("%s, %s: no legend", d.Name, p.Title)
				}
				for _, name := range metric.FindAllString(q.Expr, -1) {
					base := name
					for _, suffix := range []string{"_bucket", "_sum", "_count"} {
						base = strings.TrimSuffix(base, suffix)
					}
					if !strings.Contains(string(page), "`"+base+"`") {
						t.Errorf("%s, %s: docs/metrics.md has no %s", d.Name, p.Title, base)
					}
				}
			}
		}
	}
}
