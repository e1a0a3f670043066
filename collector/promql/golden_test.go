package promql

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/promqltest"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/promql/promtest"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata; read the difference before committing it")

// TestStories runs testdata/*.txtar against Prometheus' own engine behind a real HTTP
// server. A story is a comment, the series (load, in promqltest's language, from
// second 0), perhaps a config, and commands with what they print:
//
//	ask TEMPLATE [names=a|b] [namespace=ml] at=SECONDS window=DURATION [from=S] [to=S]
//	finished from=SECONDS to=SECONDS
//	usage    from=SECONDS to=SECONDS [api] [nopods]   usage of what finished finds
//	workload kind=K name=N namespace=NS from=SECONDS to=SECONDS
//	probe    at=SECONDS
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories in testdata", err)
	}
	asked := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			story, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg := Config{}
			for i := range story.Files {
				f := &story.Files[i]
				switch f.Name {
				case "load":
					cfg.URL = serve(t, string(f.Data))
					continue
				case "config":
					cfg = Config{URL: cfg.URL}
					if err := yaml.UnmarshalStrict(f.Data, &cfg); err != nil {
						t.Fatal(err)
					}
					continue
				}
				source, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
				if err != nil {
					t.Fatal(err)
				}
				args := strings.Fields(f.Name)
				if args[0] == "ask" {
					asked[args[1]] = true
				}
				got := perform(t, source, args)
				if *update {
					f.Data = []byte(got)
				} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", f.Name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	all, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		if !asked[name] {
			t.Errorf("no story asks template %s", name)
		}
	}
}

// serve loads series and serves them as a Prometheus would.
func serve(t testing.TB, load string) (url string) {
	t.Helper()
	storage := promqltest.LoadedStorage(t, load)
	engine := promtest.NewEngine(0)
	server := httptest.NewServer(promtest.NewHandler(storage, engine))
	t.Cleanup(func() {
		server.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// perform runs one command of a story.
func perform(t *testing.T, s *Source, args []string) string {
	t.Helper()
	flags := map[string]string{}
	for _, a := range args[1:] {
		k, v, _ := strings.Cut(a, "=")
		flags[k] = v
	}
	second := func(name string) time.Time {
		n, err := strconv.ParseInt(flags[name], 10, 64)
		if err != nil && flags[name] != "" {
			t.Fatalf("%v: %v", args, err)
		}
		return time.Unix(n, 0)
	}
	var out strings.Builder
	switch args[0] {
	case "ask":
		window, err := model.ParseDuration(flags["window"])
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		sc := scope{namespace: flags["namespace"], at: second("at"), window: time.Duration(window), from: second("from"), to: second("to")}
		if flags["names"] != "" {
			sc.names = strings.Split(flags["names"], "|")
		}
		rows, err := s.ask(t.Context(), args[1], sc)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		var lines []string
		for _, r := range rows {
			line := fmt.Sprintf("%s %v", r.labels, r.value)
			if r.points != nil {
				line = fmt.Sprintf("%s %v", r.labels, r.points)
			}
			lines = append(lines, line+"\n")
		}
		slices.Sort(lines)
		out.WriteString(strings.Join(lines, ""))
	case "finished", "usage":
		jobs, err := s.Finished(t.Context(), second("from"), second("to"))
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		if args[0] == "finished" {
			for _, j := range jobs {
				printJSON(t, &out, j.Record)
				for _, p := range j.Pods {
					fmt.Fprintf(&out, "  pod %s uid=%s node=%s %s to %s\n", p.Name, p.UID, p.Node, clock(p.Started), clock(p.Finished))
				}
			}
			break
		}
		for i := range jobs {
			_, jobs[i].FromAPI = flags["api"]
			if _, ok := flags["nopods"]; ok {
				jobs[i].Pods = nil
			}
		}
		printUsage(t, &out, s, jobs)
	case "workload":
		used, err := s.WorkloadUsage(t.Context(), flags["namespace"], flags["kind"], flags["name"], second("from"), second("to"))
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		for _, u := range used {
			fmt.Fprintf(&out, "%s %s %.4g cores %d bytes\n", clock(u.End), u.Container, u.CPUCores, u.Memory)
		}
	case "progress":
		progress, err := s.Progress(t.Context(), second("at"))
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		for _, pod := range slices.Sorted(maps.Keys(progress)) {
			fmt.Fprintf(&out, "%s %.4g\n", pod, progress[pod])
		}
	case "probe":
		for _, f := range s.probe(t.Context(), second("at")) {
			line := fmt.Sprintf("%-7s %s: %s %s", f.Level, f.Check, f.Found, f.Fix)
			out.WriteString(strings.ReplaceAll(strings.TrimSpace(line), s.cfg.URL, "URL") + "\n")
		}
	default:
		t.Fatalf("unknown command %v", args)
	}
	return out.String()
}

func printUsage(t *testing.T, out *strings.Builder, s *Source, jobs []collector.Finished) {
	t.Helper()
	usage, err := s.Usage(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range jobs {
		fmt.Fprintf(out, "%s ", jobs[i].Record.ID)
		printJSON(t, out, usage[i])
	}
}

func printJSON(t *testing.T, out *strings.Builder, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s\n", b)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.Sub(time.Unix(0, 0)).String()
}
