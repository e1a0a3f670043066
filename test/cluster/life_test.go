//go:build e2e

package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// childDir, in its environment, makes the test program start a cluster there and wait to be killed.
const childDir = "RUNCAST_TEST_CLUSTER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(startAndWait(dir))
	}
	os.Exit(m.Run())
}

func TestTwoClustersAtOnce(t *testing.T) {
	clusters := make([]*Cluster, 2)
	var both errgroup.Group
	for i := range clusters {
		dir, log := t.TempDir(), logger(t)
		both.Go(func() error {
			var err error
			clusters[i], err = Start(t.Context(), log, dir, nil)
			return err
		})
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, c := range clusters {
		if err := c.AddNodes(t.Context(), Node{Name: "node-" + strconv.Itoa(i), CPUs: 1, Memory: "1Gi"}); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range clusters {
		nodes, err := c.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(nodes.Items) != 1 || nodes.Items[0].Name != "node-"+strconv.Itoa(i) {
			t.Errorf("cluster %d has %d nodes, the first of them %s", i, len(nodes.Items), nodes.Items[0].Name)
		}
	}
	programs := len(clusters[0].processes())
	if got := len(processesOf(t, clusters[0].Dir)); got != programs {
		t.Fatalf("%d processes while it runs, want %d: the next check would prove nothing", got, programs)
	}
	clusters[0].Stop()
	clusters[0].Stop() // may be called twice
	if left := processesOf(t, clusters[0].Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if got := len(processesOf(t, clusters[1].Dir)); got != programs {
		t.Errorf("the other cluster has %d processes, want %d", got, programs)
	}
	if err := clusters[0].Restart(t.Context(), "etcd"); !errors.Is(err, errEnded) {
		t.Errorf("restart after stop: %v", err)
	}
	clusters[1].Stop()
	if left := processesOf(t, clusters[1].Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKilledTestLeavesNoOrphans(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = diesWithParent()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := onParent(cmd.Start); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("ready"))
	_, readErr := io.ReadFull(out, line)
	running := processesOf(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if readErr != nil || len(running) < 7 {
		t.Fatalf("the child is not ready: %v, processes %v", readErr, running)
	}
	eventually(t, "the orphans to go", func(context.Context) (bool, error) {
		return len(processesOf(t, dir)) == 0, nil
	})
}

// startAndWait is the child of TestKilledTestLeavesNoOrphans.
func startAndWait(dir string) int {
	log := stderrLogger()
	if _, err := Start(context.Background(), log, dir, nil); err != nil {
		log.Error("start", "error", err)
		return 1
	}
	os.Stdout.WriteString("ready")
	select {}
}

// A program that cannot start is named, with the end of its log.
func TestStartFailureTellsTheLog(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "etcd.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if c, err := Start(t.Context(), logger(t), dir, nil); err == nil {
		c.Stop()
		t.Fatal("a cluster without etcd started")
	} else if !strings.Contains(err.Error(), "etcd") {
		t.Errorf("the error does not name the program: %v", err)
	}

	programs, err := Tools(t.Context(), logger(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: "prometheus", path: programs["prometheus"], args: []string{"--no-such-flag"}, ready: "http://127.0.0.1:1/", dir: t.TempDir(), log: logger(t)}
	err = p.start(t.Context(), httpClient())
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("the error does not hold the log: %v", err)
	}
}

// processesOf are the processes whose command line names the folder.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		if strings.Contains(string(line), dir) {
			program, _, _ := strings.Cut(string(line), "\x00")
			found = append(found, filepath.Base(program)+" "+filepath.Base(filepath.Dir(file)))
		}
	}
	return found
}
