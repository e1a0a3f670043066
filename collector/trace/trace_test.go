package trace_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/runcast/runcast/collector/trace"
)

var update = flag.Bool("update", false, "rewrite the want sections of testdata/*.txtar")

// TestStories reads each file of each archive in testdata and compares what came
// of it with the section "want FILE". A comment line "options: …" names options.
func TestStories(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var opts trace.Options
			for line := range strings.Lines(string(a.Comment)) {
				names, ok := strings.CutPrefix(line, "options:")
				for name := range strings.FieldsSeq(names) {
					switch {
					case !ok:
					case name == "ignore-unknown":
						opts.IgnoreUnknown = true
					case name == "skip-bad-rows":
						opts.SkipBadRows = true
					case name == "specs-only":
						opts.SpecsOnly = true
					default:
						t.Fatalf("unknown option %q", name)
					}
				}
			}
			var got []txtar.File
			wants := map[string]string{}
			for _, f := range a.Files {
				if name, ok := strings.CutPrefix(f.Name, "want "); ok {
					wants[name] = string(f.Data)
					continue
				}
				out := tell(f, opts)
				got = append(got, f, txtar.File{Name: "want " + f.Name, Data: []byte(out)})
			}
			if *update {
				a.Files = got
				if err := os.WriteFile(path, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, f := range got {
				if name, ok := strings.CutPrefix(f.Name, "want "); ok {
					if diff := cmp.Diff(wants[name], string(f.Data)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
			}
		})
	}
}

// tell reads one file and says what came of it: a record or an error a line.
func tell(f txtar.File, opts trace.Options) string {
	var out strings.Builder
	r, err := trace.NewReader(strings.NewReader(string(f.Data)), f.Name, opts)
	if err != nil {
		return fmt.Sprintf("error %v\n", err)
	}
	for rec, err := range r.Records() {
		if err != nil {
			fmt.Fprintf(&out, "error %v\n", err)
			continue
		}
		b, err := json.Marshal(rec)
		if err != nil {
			fmt.Fprintf(&out, "error %v\n", err)
		}
		fmt.Fprintf(&out, "%s\n", b)
	}
	n, errs := r.Skipped()
	if n > 0 {
		fmt.Fprintf(&out, "skipped %d\n", n)
	}
	for _, err := range errs {
		fmt.Fprintf(&out, "\t%v\n", err)
	}
	return out.String()
}
