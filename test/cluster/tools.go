package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A tool is one Go module under tools/ and the programs built from it. Each has a go.mod of its own
// because their dependencies do not agree with each other, nor with this project's.
type tool struct {
	name     string   // folder under tools/
	flags    []string // of go build
	programs []program
}

// A program is one main package.
type program struct{ name, pkg string }

// kubernetesVersion is told to the control plane's programs: some clients refuse a server without one.
const kubernetesVersion = "-X k8s.io/component-base/version.gitVersion=v1.37.2" +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"

var tools = []tool{
	{"etcd", []string{"-ldflags=-s -w"}, []program{
		{"etcd", "go.etcd.io/etcd/server/v3"},
	}},
	{"kwok", []string{"-ldflags=-s -w"}, []program{
		{"kwok", "sigs.k8s.io/kwok/cmd/kwok"},
	}},
	{"kubernetes", []string{"-ldflags=-s -w " + kubernetesVersion}, []program{
		{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
		{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
		{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
	}},
	{"kube-state-metrics", []string{"-ldflags=-s -w"}, []program{
		{"kube-state-metrics", "k8s.io/kube-state-metrics/v2"},
	}},
	// Without service discovery the clouds' SDKs need not be compiled: one of them alone takes
	// a compiler minutes and 2 GB.
	{"prometheus", []string{"-tags=remove_all_sd", "-ldflags=-s -w -X github.com/prometheus/common/version.Version=3.16.0"}, []program{
		{"prometheus", "github.com/prometheus/prometheus/cmd/prometheus"},
		{"promtool", "github.com/prometheus/prometheus/cmd/promtool"},
	}},
	{"helm", []string{"-ldflags=-s -w"}, []program{
		{"helm", "helm.sh/helm/v4/cmd/helm"},
	}},
	{"vpa", []string{"-ldflags=-s -w"}, []program{
		{"vpa-admission-controller", "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller"},
		{"vpa-recommender", "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender"},
		{"vpa-updater", "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater"},
	}},
}

// Binaries gives the path of each built program by its name: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, kwok, kube-state-metrics, prometheus, promtool, helm,
// vpa-admission-controller, vpa-recommender, vpa-updater.
type Binaries map[string]string

// Tools returns the programs of the named folders under tools/, by default all, and builds those that are
// missing: some 25 minutes on two cores the first time, no time at all after that.
//
// They are kept in the folder $RUNCAST_TOOLS, or else runcast/tools in the user's cache folder, under
// names that follow from their go.mod, go.sum, Go version and flags. A build that is killed leaves
// nothing that could be taken for a program, and of two builds at once one waits for the other.
// The working directory must be inside this project: that is where the modules are found.
func Tools(ctx context.Context, log *slog.Logger, names ...string) (Binaries, error) {
	cache, err := toolsCache()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	gomod, err := goEnv(ctx, ".", "GOMOD")
	if err != nil {
		return nil, err
	}
	source := filepath.Join(filepath.Dir(gomod), "test", "cluster", "tools")

	for _, name := range names {
		if !slices.ContainsFunc(tools, func(t tool) bool { return t.name == name }) {
			return nil, fmt.Errorf("no tool %q", name)
		}
	}
	binaries := Binaries{}
	for _, t := range tools {
		if len(names) > 0 && !slices.Contains(names, t.name) {
			continue
		}
		module := filepath.Join(source, t.name)
		version, err := goEnv(ctx, module, "GOVERSION")
		if err != nil {
			return nil, err
		}
		key, err := t.key(module, version)
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(cache, t.name+"@"+key)
		if err := t.ensure(ctx, log, module, dir); err != nil {
			return nil, fmt.Errorf("build %s: %w", t.name, err)
		}
		for _, p := range t.programs {
			binaries[p.name] = filepath.Join(dir, p.name)
		}
	}
	return binaries, nil
}

func toolsCache() (string, error) {
	if dir := os.Getenv("RUNCAST_TOOLS"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "runcast", "tools"), err
}

// key names what a build is made from: 16 hexadecimal digits that change with the module's go.mod and
// go.sum, the Go version, the flags and the list of programs.
func (t tool) key(module, goVersion string) (string, error) {
	h := sha256.New()
	for _, file := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", file, len(content), content)
	}
	fmt.Fprintf(h, "%s %q %q", goVersion, t.flags, t.programs)
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// ensure builds the tool's programs into dir unless dir is there: it appears complete or not at all.
func (t tool) ensure(ctx context.Context, log *slog.Logger, module, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil // built while we waited
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	for _, p := range t.programs {
		start := time.Now()
		log.Info("building", "program", p.name, "package", p.pkg)
		args := slices.Concat([]string{"build", "-buildvcs=false", "-o", filepath.Join(part, p.name)}, t.flags, []string{p.pkg})
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = module
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", p.name, err, out)
		}
		log.Info("built", "program", p.name, "seconds", time.Since(start).Seconds())
	}
	return os.Rename(part, dir)
}

// lock waits until no other process holds the file. The kernel lets go of it with the process.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}

// goEnv asks the go command for one variable as it is in the folder.
func goEnv(ctx context.Context, dir, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", name)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env %s in %s: %w", name, dir, err)
	}
	return strings.TrimSpace(string(out)), nil
}
