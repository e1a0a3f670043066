package cluster

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// testLayout is a cluster of which nothing has been started.
func testLayout(t *testing.T) *Cluster {
	c := &Cluster{Dir: t.TempDir(), ports: map[string]int{"exporter": 30000}}
	for i, name := range portNames {
		c.ports[name] = 30001 + i
	}
	return c
}

func TestFilesAreComplete(t *testing.T) {
	c := testLayout(t)
	const user = "system:serviceaccount:runcast:scheduler"
	if err := c.writeFiles(map[string]string{"its-token": user}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"scheduler.yaml", "prometheus.yml", "admin.kubeconfig", user + ".kubeconfig"} {
		content, err := os.ReadFile(c.file(name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "$") {
			t.Errorf("%s: something is not filled in:\n%s", name, content)
		}
		var parsed map[string]any
		if err := yaml.UnmarshalStrict(content, &parsed); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	content, err := os.ReadFile(c.KubeconfigOf(user))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), "its-token") || strings.Contains(string(content), AdminToken) {
		t.Errorf("the user's kubeconfig:\n%s", content)
	}
}

func TestTokensCSV(t *testing.T) {
	for _, test := range []struct{ user, groups string }{
		{"alice", `""`},
		{"system:serviceaccount:runcast:scheduler", `"system:serviceaccounts,system:serviceaccounts:runcast"`},
	} {
		want := AdminToken + ",admin,admin,system:masters\nt," + test.user + "," + test.user + "," + test.groups + "\n"
		if got := tokensCSV(map[string]string{"t": test.user}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Two programs with one port, or a flag without its value, would only be found by starting them.
func TestTableIsConsistent(t *testing.T) {
	c := testLayout(t)
	binaries := Binaries{}
	for _, x := range tools {
		for _, p := range x.programs {
			binaries[p.name] = "/programs/" + p.name
		}
	}
	names := map[string]bool{}
	for _, wave := range c.table(binaries) {
		for _, p := range wave {
			if names[p.name] {
				t.Errorf("%s is there twice", p.name)
			}
			names[p.name] = true
			if p.path != "/programs/"+p.name {
				t.Errorf("%s has the path %q", p.name, p.path)
			}
			if !strings.Contains(p.ready, "://127.0.0.1:30") {
				t.Errorf("%s is ready at %q", p.name, p.ready)
			}
			inDir := false
			for _, arg := range p.args {
				if strings.HasSuffix(arg, "=") || strings.HasSuffix(arg, "=0") && !strings.Contains(arg, "inflight") || strings.HasSuffix(arg, ":0") {
					t.Errorf("%s: %q lacks its value", p.name, arg)
				}
				inDir = inDir || strings.Contains(arg, c.Dir)
			}
			if !inDir {
				t.Errorf("%s: its arguments do not tell whose it is", p.name)
			}
		}
	}
}
