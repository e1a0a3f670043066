//go:build chart

package deploy

import (
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/runcast/runcast/test/cluster"
)

const rulesFile = "chart/rules/runcast.yaml"

// TestRules lets promtool check the rules and play their tests, and wants of each alert a
// test that fires it, one that does not, and words for who is woken up by it.
func TestRules(t *testing.T) {
	binaries, err := cluster.Tools(t.Context(), slog.New(slog.NewTextHandler(os.Stderr, nil)), "prometheus")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", rulesFile}, {"test", "rules", "testdata/rules/alerts.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), binaries["promtool"], args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	read(t, rulesFile, &rules)
	var tests struct {
		Tests []struct {
			Name string
		}
	}
	read(t, "testdata/rules/alerts.yaml", &tests)
	played := map[string]bool{}
	for _, test := range tests.Tests {
		played[test.Name] = true
	}
	metrics, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			for _, name := range regexp.MustCompile(`\bruncast_[a-z0-9_]+`).FindAllString(r.Expr, -1) {
				if !strings.Contains(string(metrics), "`"+name+"`") {
					t.Errorf("%s: docs/metrics.md has no %s", r.Alert, name)
				}
			}
			if r.Alert == "" {
				continue
			}
			alerts++
			if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) || r.For == "" {
				t.Errorf("%s: severity %q, for %q", r.Alert, r.Labels["severity"], r.For)
			}
			for _, a := range []string{"summary", "description", "runbook"} {
				if !strings.HasSuffix(r.Annotations[a], ".") {
					t.Errorf("%s: its %s, %q, is not a sentence", r.Alert, a, r.Annotations[a])
				}
			}
			for _, name := range []string{r.Alert + " fires", r.Alert + " is quiet"} {
				if !played[name] {
					t.Errorf("no test %q", name)
				}
			}
		}
	}
	if len(played) != 2*alerts {
		t.Errorf("%d tests of %d alerts", len(played), alerts)
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
