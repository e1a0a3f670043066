//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/predictor/rpc"
	"github.com/runcast/runcast/scheduler"
	"github.com/runcast/runcast/test/cluster"
)

const poolLabel = "test.runcast.dev/pool"

// scrape is the scrape interval of the cluster's Prometheus.
const scrape = 2 * time.Second

// A world is a control plane with Runcast's processes beside it, and what was seen
// of every Job in it.
type world struct {
	*testing.T
	*cluster.Cluster
	ctx     context.Context
	binary  string
	address map[string]string // of each process: gRPC, and with "/http" appended metrics
	history predictor.History
	predict predictor.Estimator

	mu      sync.Mutex
	changed chan struct{}           // closed when jobs changes
	jobs    map[string]*batchv1.Job // by namespace/name
	resumed map[string]int          // by namespace/name: how often it was unsuspended
	ended   map[string]time.Time    // by namespace/name: first seen complete or failed
	// reserved is the earliest start that a reservation has named on a Job, by
	// namespace/name, near enough to be kept.
	reserved map[string]time.Time
}

func newWorld(t *testing.T) *world {
	ctx, cancel := context.WithTimeout(context.Background(), 14*time.Minute)
	t.Cleanup(cancel)
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	c, err := cluster.Start(ctx, log, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Cluster: c, ctx: ctx, binary: filepath.Join(dir, "bin-runcast"), address: map[string]string{},
		changed: make(chan struct{}), jobs: map[string]*batchv1.Job{}, resumed: map[string]int{}, ended: map[string]time.Time{}, reserved: map[string]time.Time{}}
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			w.keepLogs()
		}
	})
	build := exec.CommandContext(ctx, "go", "build", "-o", w.binary, "github.com/runcast/runcast/cmd/runcast")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w.watchJobs()
	return w
}

// keepLogs copies the programs' logs to a folder that outlives the test.
func (w *world) keepLogs() {
	to, err := os.MkdirTemp("", "runcast-e2e-")
	if err != nil {
		w.Log(err)
		return
	}
	logs, _ := filepath.Glob(filepath.Join(w.Dir, "*.log"))
	for _, from := range logs {
		if b, err := os.ReadFile(from); err == nil {
			_ = os.WriteFile(filepath.Join(to, filepath.Base(from)), b, 0o644)
		}
	}
	w.Logf("logs of the programs: %s", to)
}

// watchJobs keeps count of what happens to Jobs, independently of Runcast.
func (w *world) watchJobs() {
	factory := informers.NewSharedInformerFactory(w.Client(), 0)
	_, err := factory.Batch().V1().Jobs().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.see(nil, o.(*batchv1.Job)) },
		UpdateFunc: func(old, o any) { w.see(old.(*batchv1.Job), o.(*batchv1.Job)) },
	})
	if err != nil {
		w.Fatal(err)
	}
	factory.Start(w.ctx.Done())
}

func (w *world) see(old, j *batchv1.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := j.Namespace + "/" + j.Name
	w.jobs[key] = j
	if old != nil && suspended(old) && !suspended(j) {
		w.resumed[key]++
	}
	if _, ok := w.ended[key]; !ok && over(j) {
		w.ended[key] = time.Now()
	}
	if at, err := time.Parse(time.RFC3339, j.Annotations[jobspec.AnnotationReserved]); err == nil && time.Until(at) < scheduler.DefaultPolicy().FirmWithin {
		if was, ok := w.reserved[key]; !ok || at.Before(was) {
			w.reserved[key] = at
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

func suspended(j *batchv1.Job) bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

func over(j *batchv1.Job) bool {
	return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == "True"
	})
}

// await waits until ok is true of what is known of the Jobs; it is called whenever
// that changes.
func (w *world) await(what string, limit time.Duration, ok func() bool) {
	w.Helper()
	deadline := time.After(limit)
	for {
		w.mu.Lock()
		done, changed := ok(), w.changed
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.Fatalf("waited %v for %s in vain", limit, what)
		case <-w.ctx.Done():
			w.Fatalf("%s: %v", what, w.ctx.Err())
		}
	}
}

// poll asks until there is no error, every half second.
func (w *world) poll(what string, limit time.Duration, ask func() error) {
	w.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.Fatalf("waited %v for %s in vain: %v", limit, what, err)
		case <-w.ctx.Done():
			w.Fatalf("%s: %v", what, w.ctx.Err())
		}
	}
}

// create creates the runs as Jobs, in their order.
func (w *world) create(runs []run, namespace, pool, queue string) {
	w.Helper()
	jobs := w.Client().BatchV1().Jobs(namespace)
	for i := range runs {
		if _, err := jobs.Create(w.ctx, runs[i].job(namespace, pool, queue), metav1.CreateOptions{}); err != nil {
			w.Errorf("%s: %v", runs[i].name, err)
		}
	}
}

// allOver reports whether every run has ended.
func (w *world) allOver(namespace string, runs []run) bool {
	return !slices.ContainsFunc(runs, func(r run) bool { _, ok := w.ended[namespace+"/"+r.name]; return !ok })
}

// start starts one of Runcast's processes under a name, with the rest of its
// configuration in YAML.
func (w *world) start(name, subcommand, config string) {
	w.Helper()
	ports, err := cluster.FreePorts("grpc", "http")
	if err != nil {
		w.Fatal(err)
	}
	w.address[name] = fmt.Sprintf("127.0.0.1:%d", ports["grpc"])
	w.address[name+"/http"] = fmt.Sprintf("127.0.0.1:%d", ports["http"])
	file := filepath.Join(w.Dir, name+".yaml")
	text := fmt.Sprintf("kubernetes: {kubeconfig: %s}\nserver: {listen: %q}\nmetrics_address: %q\n%s",
		w.Kubeconfig(), w.address[name], w.address[name+"/http"], config)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
	// A process is up once it answers at all; each story waits for what it needs.
	if err := w.Add(w.ctx, name, w.binary, []string{subcommand, "--config", file}, "http://"+w.address[name+"/http"]+"/healthz"); err != nil {
		w.Fatal(err)
	}
	if err := w.Scrape("default", name, w.address[name+"/http"]); err != nil {
		w.Fatal(err)
	}
}

// collectorConfig is the part of a collector, with its own file. historyLag is how far
// its history source stays behind.
func (w *world) collectorConfig(file string) string {
	return fmt.Sprintf(`
prometheus: {url: %q, scrape_interval: 2s}
collector: {lag: 5s, history_lag: %s, window: 1m, backfill: 1h}
store: {path: %q}
`, w.PrometheusURL(), historyLag, filepath.Join(w.Dir, file))
}

const historyLag = 15 * time.Second

// startRuncast starts every process, as in a cluster: two schedulers, one leads.
func (w *world) startRuncast() {
	w.Helper()
	w.start("collector", "collector", w.collectorConfig("runcast.bolt"))
	w.start("predictor", "predictor", fmt.Sprintf("client: {collector: %q}\n", w.address["collector"]))
	for _, name := range []string{"scheduler-a", "scheduler-b"} {
		w.start(name, "scheduler", fmt.Sprintf(`
client: {predictor: %q}
scheduler: {election: {namespace: default, name: runcast-scheduler, identity: %s, lease_duration: 5s}, replan: 2s, queues: {left: {weight: 3}, right: {weight: 1}}}
`, w.address["predictor"], name))
	}
	w.history = w.dial("collector").History()
	w.predict = w.dial("predictor").Estimator()
}

// leader names the scheduler that leads.
func (w *world) leader() string {
	w.Helper()
	lease, err := w.Client().CoordinationV1().Leases("default").Get(w.ctx, "runcast-scheduler", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return *lease.Spec.HolderIdentity
}

func (w *world) dial(name string) *rpc.Client {
	c, err := rpc.Dial(rpc.ClientConfig{Target: w.address[name], Timeout: 10 * time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	return c
}

// kill ends a process with SIGKILL.
func (w *world) kill(name string) {
	w.Helper()
	if err := w.Kill(name); err != nil {
		w.Fatal(err)
	}
}

func (w *world) restart(name string) {
	w.Helper()
	if err := w.Restart(w.ctx, name); err != nil {
		w.Fatal(err)
	}
}

// runcast runs a one-shot subcommand and decodes what it prints with --json.
func (w *world) runcast(into any, args ...string) {
	w.Helper()
	out, err := exec.CommandContext(w.ctx, w.binary, append(args, "--json")...).Output()
	if err != nil {
		w.Fatalf("runcast %v: %v\n%s", args, err, stderrOf(err))
	}
	if err := json.Unmarshal(out, into); err != nil {
		w.Fatalf("runcast %v: %v\n%s", args, err, out)
	}
}

func stderrOf(err error) []byte {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.Stderr
	}
	return nil
}

// watermark is up to which end of jobs the collector has read Prometheus' history.
func (w *world) watermark() (time.Time, error) {
	seconds, err := w.metric("collector", "runcast_collector_history_watermark_timestamp_seconds")
	return time.Unix(int64(seconds), 0), err
}

// metric is what a process says of itself.
func (w *world) metric(process, name string) (float64, error) {
	resp, err := http.Get("http://" + w.address[process+"/http"] + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", process, name)
}

// records returns the collector's whole history, by namespace/name.
func (w *world) records() (map[string][]predictor.JobRecord, error) { return w.recordsOf(w.history) }

func (w *world) recordsOf(history predictor.History) (map[string][]predictor.JobRecord, error) {
	all := map[string][]predictor.JobRecord{}
	for e, err := range history.Records(w.ctx, time.Time{}, time.Time{}) {
		if err != nil {
			return nil, err
		}
		key := e.Namespace + "/" + e.Name
		all[key] = append(all[key], e.JobRecord)
	}
	return all, nil
}
