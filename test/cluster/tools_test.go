package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeyFollowsWhatABuildIsMadeFrom(t *testing.T) {
	module := func(gomod, gosum string) string {
		dir := t.TempDir()
		for name, content := range map[string]string{"go.mod": gomod, "go.sum": gosum} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	key := func(x tool, module, version string) string {
		k, err := x.key(module, version)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	x := tool{"x", []string{"-ldflags=-s"}, []program{{"x", "example.com/x"}}}
	base := key(x, module("m", "s"), "go1.26.8")
	if again := key(x, module("m", "s"), "go1.26.8"); again != base {
		t.Errorf("same build, keys %s and %s", base, again)
	}
	if len(base) != 16 {
		t.Errorf("key %q", base)
	}
	flags, programs := x, x
	flags.flags = []string{"-ldflags=-w"}
	programs.programs = append(programs.programs, program{"y", "example.com/y"})
	seen := map[string]string{base: "base"}
	for name, k := range map[string]string{
		"go.mod":                   key(x, module("n", "s"), "go1.26.8"),
		"go.sum":                   key(x, module("m", "t"), "go1.26.8"),
		"what stands in which one": key(x, module("ms", ""), "go1.26.8"),
		"Go version":               key(x, module("m", "s"), "go1.26.9"),
		"flags":                    key(flags, module("m", "s"), "go1.26.8"),
		"programs":                 key(programs, module("m", "s"), "go1.26.8"),
	} {
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the key %s", name, other, k)
		}
		seen[k] = name
	}
	if _, err := x.key(t.TempDir(), "go1.26.8"); err == nil {
		t.Error("a folder without go.mod has a key")
	}
}

// A build that fails leaves nothing that the next one takes for a program.
func TestFailedBuildLeavesNothing(t *testing.T) {
	module, cache := t.TempDir(), t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/x\n\ngo 1.26\n")
	write("main.go", "package main\n\nfunc main() { broken }\n")
	x := tool{"x", nil, []program{{"x", "example.com/x"}}}
	dir := filepath.Join(cache, "x@1")
	if err := x.ensure(t.Context(), logger(t), module, dir); err == nil {
		t.Fatal("a broken program was built")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatalf("after a failed build: %v", err)
	}
	write("main.go", "package main\n\nfunc main() {}\n")
	if err := x.ensure(t.Context(), logger(t), module, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err != nil {
		t.Error(err)
	}
	write("main.go", "package main\n\nfunc main() { broken }\n")
	if err := x.ensure(t.Context(), logger(t), module, dir); err != nil {
		t.Errorf("what has been built is built again: %v", err)
	}
}
