package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// oracle is an Estimator that knows the runtimes of jobs by name.
type oracle struct {
	mu       sync.Mutex
	runtimes map[string]time.Duration
	requests map[string]predictor.Bytes
	model    string
	down     bool
	hangs    bool
	calls    int
}

func newOracle() *oracle {
	return &oracle{runtimes: map[string]time.Duration{}, requests: map[string]predictor.Bytes{}, model: "m1"}
}

func (o *oracle) set(change func(*oracle)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

func (o *oracle) answer(ctx context.Context) error {
	o.mu.Lock()
	o.calls++
	down, hangs := o.down, o.hangs
	o.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		return ctx.Err()
	case down:
		return errors.New("connection refused")
	}
	return nil
}

func (o *oracle) Estimate(ctx context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	if err := o.answer(ctx); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]predictor.Estimate, len(jobs))
	for i, j := range jobs {
		if j.Image == "poison" {
			return nil, &predictor.ValidationError{Violations: []predictor.Violation{{Field: "image", Expected: "something else"}}}
		}
		if d := o.runtimes[j.Name]; d > 0 {
			out[i] = predictor.Estimate{Runtime: predictor.Exactly(d), MeanRuntime: d, MemoryRequest: o.requests[j.Name], Source: "oracle", Samples: 3, Model: o.model}
		}
	}
	return out, nil
}

func (o *oracle) Remaining(ctx context.Context, jobs []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	if err := o.answer(ctx); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]predictor.Quantiles[time.Duration], len(jobs))
	for i, j := range jobs {
		d := o.runtimes[j.Name]
		if j.Progress > 0 {
			d = time.Duration(float64(j.Elapsed) / j.Progress)
		}
		if d > 0 {
			out[i] = predictor.Exactly(max(d-j.Elapsed, time.Second))
		}
	}
	return out, nil
}

func (o *oracle) Explain(context.Context, predictor.JobSpec) (predictor.Explanation, error) {
	return predictor.Explanation{}, errors.New("not asked for in these tests")
}

// shortestFirst is a plan to test the loop with: by tier, then the shortest first,
// those of unknown runtime last, each on the first nodes that have room. The first
// that does not fit is reserved, all after it are held; what fits no empty
// cluster, or may not start yet, stands in nobody's way.
func shortestFirst(s scheduler.Snapshot) scheduler.Schedule {
	free, empty := freeOn(s), freeOn(scheduler.Snapshot{Nodes: s.Nodes})
	order := make([]int, len(s.Pending))
	for i := range order {
		order[i] = i
	}
	known := func(p scheduler.Pending) int {
		if p.Runtime.IsZero() {
			return 1
		}
		return 0
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := s.Pending[i], s.Pending[j]
		return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(known(a), known(b)),
			cmp.Compare(a.Runtime.P50, b.Runtime.P50), a.Submitted.Compare(b.Submitted), cmp.Compare(a.ID, b.ID))
	})
	var out scheduler.Schedule
	var later, never []scheduler.Decision
	for _, i := range order {
		p := s.Pending[i]
		d := scheduler.Decision{Job: i, Verdict: scheduler.Held, Reason: "waits its turn"}
		if seatAll(s, slices.Clone(empty), p) == nil {
			d.Reason = "fits nowhere"
			never = append(never, d)
			continue
		}
		if p.EarliestStart.After(s.Now) {
			d.Reason, d.StartP50, d.StartP90 = "may not start yet", p.EarliestStart, p.EarliestStart
			never = append(never, d)
			continue
		}
		if len(later) == 0 {
			d.Verdict, d.Reason = scheduler.Reserved, "waits for room"
		}
		if nodes := seatAll(s, free, p); len(later) == 0 && nodes != nil {
			d.Verdict, d.Reason, d.Nodes = scheduler.Released, "fits", nodes
			d.StartP50, d.StartP90 = s.Now, s.Now
			d.EndP50, d.EndP90 = s.Now.Add(p.Runtime.P50), s.Now.Add(p.Runtime.P90)
			out.Decisions = append(out.Decisions, d)
			continue
		}
		for _, r := range s.Running {
			if at := s.Now.Add(r.Remaining.P50); !r.Foreign && !r.Remaining.IsZero() && at.After(d.StartP50) {
				d.StartP50, d.StartP90 = at, at
				d.EndP50, d.EndP90 = at.Add(p.Runtime.P50), at.Add(p.Runtime.P90)
			}
		}
		later = append(later, d)
	}
	out.Decisions = append(append(out.Decisions, later...), never...)
	return out
}

// freeOn is what running pods leave on each node; unbound pods take the first
// node of their class with room.
func freeOn(s scheduler.Snapshot) []scheduler.Vector {
	free := make([]scheduler.Vector, len(s.Nodes))
	for n, node := range s.Nodes {
		free[n] = slices.Clone(node.Capacity)
	}
	for _, bound := range []bool{true, false} {
		for _, r := range s.Running {
			for _, n := range r.Pods {
				if (n >= 0) != bound {
					continue
				}
				if !bound {
					n = firstFit(s, free, r.Class, r.Request)
				}
				for i := range r.Request {
					if n >= 0 {
						free[n][i] -= r.Request[i]
					}
				}
			}
		}
	}
	return free
}

func firstFit(s scheduler.Snapshot, free []scheduler.Vector, class int, request scheduler.Vector) int {
	for n := range free {
		ok := s.Classes[class][n]
		for i := range request {
			ok = ok && (request[i] == 0 || free[n][i] >= request[i])
		}
		if ok {
			return n
		}
	}
	return -1
}

// seatAll takes room for all pods and returns their nodes; nil if they do not fit.
func seatAll(s scheduler.Snapshot, free []scheduler.Vector, p scheduler.Pending) []int {
	var nodes []int
	trial := make([]scheduler.Vector, len(free))
	for n := range free {
		trial[n] = slices.Clone(free[n])
	}
	for range p.Pods {
		n := firstFit(s, trial, p.Class, p.Request)
		if n < 0 {
			return nil
		}
		nodes = append(nodes, n)
		for i := range p.Request {
			trial[n][i] -= p.Request[i]
		}
	}
	copy(free, trial)
	return nodes
}

// quantities parses "cpu=2 gpu=1 memory=1Gi".
func quantities(t testing.TB, fields []string) corev1.ResourceList {
	t.Helper()
	list := corev1.ResourceList{}
	for _, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			t.Fatalf("%q: expected name=quantity", f)
		}
		if name == "gpu" {
			name = "nvidia.com/gpu"
		}
		q, err := resource.ParseQuantity(value)
		if err != nil {
			t.Fatalf("%q: %v", f, err)
		}
		list[corev1.ResourceName(name)] = q
	}
	return list
}

func testNode(t testing.TB, name string, fields ...string) *corev1.Node {
	t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}}
	n.Status.Allocatable = quantities(t, append([]string{"pods=110", "memory=64Gi"}, fields...))
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n
}

// testJob is a suspended Job of one pod in the queue.
func testJob(t testing.TB, name string, fields ...string) *batchv1.Job {
	t.Helper()
	yes := true
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{jobspec.LabelQueue: "q"}},
		Spec: batchv1.JobSpec{
			Suspend: &yes,
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers:    []corev1.Container{{Name: "main", Image: "busybox", Resources: corev1.ResourceRequirements{Requests: quantities(t, fields)}}},
			}},
		},
	}
}

func annotated(j *batchv1.Job, pairs ...string) *batchv1.Job {
	if j.Annotations == nil {
		j.Annotations = map[string]string{}
	}
	for i := 0; i < len(pairs); i += 2 {
		j.Annotations[pairs[i]] = pairs[i+1]
	}
	return j
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (s *apiServer) create(t *testing.T, objects ...any) {
	t.Helper()
	var err error
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Node:
			_, err = s.CoreV1().Nodes().Create(t.Context(), o, metav1.CreateOptions{})
		case *batchv1.Job:
			_, err = s.BatchV1().Jobs(o.Namespace).Create(t.Context(), o, metav1.CreateOptions{})
		case *corev1.Pod:
			_, err = s.CoreV1().Pods(o.Namespace).Create(t.Context(), o, metav1.CreateOptions{})
		default:
			err = fmt.Errorf("cannot create %T", o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// runLoop starts a Loop in the test's bubble and returns it with what stops it.
func runLoop(t *testing.T, s kubernetes.Interface, est predictor.Estimator, cfg Config) (*Loop, func()) {
	t.Helper()
	return runPlan(t, s, est, cfg, shortestFirst)
}

// runPlan is runLoop with another plan.
func runPlan(t *testing.T, s kubernetes.Interface, est predictor.Estimator, cfg Config, plan func(scheduler.Snapshot) scheduler.Schedule) (*Loop, func()) {
	t.Helper()
	l, err := newLoop(cfg, s, est, plan, quiet(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return l, stop
}
