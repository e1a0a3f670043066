package kube

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor/jobspec"
)

func newSurveyor(t testing.TB) *surveyor {
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return &surveyor{
		forecasts: newForecasts(nil, &Config{}, quiet(), m, func() {}),
		assumed:   newAssumptions(), births: newBirths(),
	}
}

// A randomCluster has a few nodes, Jobs in every standing and pods in every state.
type randomCluster struct {
	cluster
	assumed map[types.UID]bool // released, and the informer does not know
}

func newRandomCluster(t testing.TB, rng *rand.Rand, now time.Time) randomCluster {
	c := randomCluster{cluster: cluster{now: now}, assumed: map[types.UID]bool{}}
	cores := func() string { return fmt.Sprintf("cpu=%d", 1+rng.IntN(4)) }
	for i := range 1 + rng.IntN(4) {
		c.nodes = append(c.nodes, testNode(t, fmt.Sprintf("n%d", i), fmt.Sprintf("cpu=%d", 4+rng.IntN(20)), "gpu=4"))
	}
	node := func() string { return fmt.Sprintf("n%d", rng.IntN(len(c.nodes)+1)) } // one of them is gone
	pod := func(spec corev1.PodSpec, job *batchv1.Job) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", len(c.pods)), UID: types.UID(fmt.Sprintf("p%d", len(c.pods)))}, Spec: *spec.DeepCopy()}
		if job != nil {
			yes := true
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", UID: job.UID, Controller: &yes}}
		}
		switch rng.IntN(8) {
		case 0: // to be placed
		case 1:
			since := metav1.NewTime(now.Add(-time.Duration(rng.IntN(240)) * time.Second))
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: since}}
		case 2:
			p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "wait"}}
		case 3:
			p.Spec.NodeName, p.Status.Phase = node(), corev1.PodFailed
		case 4:
			gone := metav1.NewTime(now.Add(30 * time.Second))
			p.Spec.NodeName, p.DeletionTimestamp = node(), &gone
		case 5:
			p.Spec.NodeName, p.Spec.RestartPolicy = node(), corev1.RestartPolicyNever
			for range p.Spec.Containers {
				p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}})
			}
		default:
			p.Spec.NodeName, p.Status.Phase = node(), corev1.PodRunning
		}
		c.pods = append(c.pods, p)
	}
	for i := range rng.IntN(8) {
		j := testJob(t, fmt.Sprintf("j%d", i), cores(), "memory=1Gi")
		j.UID, j.Generation, j.CreationTimestamp = types.UID(j.Name), 1, metav1.NewTime(now.Add(-time.Hour))
		n := int32(1 + rng.IntN(3))
		j.Spec.Parallelism, j.Spec.Completions = &n, &n
		switch rng.IntN(5) {
		case 0: // waits
			if rng.IntN(2) == 0 {
				c.assumed[j.UID] = true
			}
		case 1: // released
			no := false
			j.Spec.Suspend = &no
		case 2:
			no := false
			j.Spec.Suspend = &no
			started := metav1.NewTime(now.Add(-time.Duration(rng.IntN(240)) * time.Second))
			j.Status.StartTime = &started
		case 3:
			delete(j.Labels, jobspec.LabelQueue)
		case 4:
			j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
		}
		c.jobs = append(c.jobs, j)
		if standingOf(j) != waiting {
			for range rng.IntN(int(n) + 1) {
				pod(j.Spec.Template.Spec, j)
			}
		}
	}
	for range rng.IntN(6) {
		pod(testJob(t, "", cores(), "gpu=1").Spec.Template.Spec, nil)
	}
	return c
}

// usage is cpu, memory, GPUs and pods by node; "" are the pods not yet placed.
type usage map[string][4]int64

func (u usage) take(node string, spec *corev1.PodSpec) {
	a := u[node]
	for _, c := range spec.Containers {
		a[0] += c.Resources.Requests.Cpu().MilliValue()
		a[1] += c.Resources.Requests.Memory().Value()
		gpu := c.Resources.Requests["nvidia.com/gpu"]
		a[2] += gpu.Value()
	}
	a[3]++
	u[node] = a
}

// naiveUsage is the rule in its plainest form: the requests of the pods that have
// not ended on nodes that exist, of those that kube-scheduler may place, and of
// those that released Jobs are yet to get.
func naiveUsage(c randomCluster) usage {
	u := usage{}
	jobs := map[types.UID]*batchv1.Job{}
	for _, j := range c.jobs {
		jobs[j.UID] = j
	}
	alive := map[types.UID]int{}
	for _, p := range c.pods {
		if p.Status.Phase == corev1.PodFailed || len(p.Status.ContainerStatuses) > 0 {
			continue
		}
		var job *batchv1.Job
		if len(p.OwnerReferences) > 0 {
			job = jobs[p.OwnerReferences[0].UID]
			alive[job.UID]++
		}
		if p.Spec.NodeName != "" {
			if slices.ContainsFunc(c.nodes, func(n *corev1.Node) bool { return n.Name == p.Spec.NodeName }) {
				u.take(p.Spec.NodeName, &p.Spec)
			}
			continue
		}
		ours := job != nil && standingOf(job) == released
		unplaced := len(p.Status.Conditions) > 0
		fresh := unplaced && c.now.Sub(p.Status.Conditions[0].LastTransitionTime.Time) < UnplacedGrace
		if len(p.Spec.SchedulingGates) == 0 && (!unplaced || ours && fresh) {
			u.take("", &p.Spec)
		}
	}
	for _, j := range c.jobs {
		held := c.assumed[j.UID] || standingOf(j) == released &&
			(j.Status.StartTime == nil || c.now.Sub(j.Status.StartTime.Time) <= UnplacedGrace)
		for i := alive[j.UID]; held && i < int(*j.Spec.Parallelism); i++ {
			u.take("", &j.Spec.Template.Spec)
		}
	}
	return u
}

func TestRoomAgainstNaive(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := newSurveyor(t)
	for seed := range uint64(2000) {
		c := newRandomCluster(t, rand.New(rand.NewPCG(seed, 0)), now)
		want := naiveUsage(c)
		s.assumed, s.births = newAssumptions(), newBirths()
		for uid := range c.assumed {
			s.assumed.released(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: 2}})
		}
		waits := 0
		for _, j := range c.jobs {
			if standingOf(j) == waiting && !c.assumed[j.UID] {
				waits++
			}
		}
		got := usage{}
		out := s.survey(c.cluster)
		index := func(name string) int { return slices.Index(out.Resources, name) }
		for _, r := range out.Running {
			for _, n := range r.Pods {
				node := ""
				if n >= 0 {
					node = out.Nodes[n].Name
				}
				a := got[node]
				for i, name := range []string{"cpu", "memory", "nvidia.com/gpu", "pods"} {
					a[i] += r.Request[index(name)]
				}
				got[node] = a
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: -naive +survey:\n%s", seed, diff)
		}
		if len(out.Pending) != waits {
			t.Fatalf("seed %d: %d pending, want %d", seed, len(out.Pending), waits)
		}
	}
}

// The pods of a released Job are planned where the release made them prefer to be,
// whatever is known of it: only the answer to the patch, the Job, or its pod.
func TestUnboundPodsStandWhereTheyPrefer(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	suspended := testJob(t, "a", "cpu=1")
	suspended.UID, suspended.Generation, suspended.CreationTimestamp = "a", 1, metav1.NewTime(now)
	no := false
	made := suspended.DeepCopy()
	made.Generation, made.Spec.Suspend = 2, &no
	made.Spec.Template.Spec.Affinity = preferring([]string{"n2", "n3"}, nil)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a-0", UID: "a-0"}, Spec: *made.Spec.Template.Spec.DeepCopy()}
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(made, batchv1.SchemeGroupVersion.WithKind("Job"))}
	bound := pod.DeepCopy()
	bound.Spec.NodeName = "n1"

	for _, c := range []struct {
		name      string
		job       *batchv1.Job
		pods      []*corev1.Pod
		preferred []int
	}{
		{"assumed", suspended, nil, []int{1, 2}},
		{"released", made, nil, []int{1, 2}},
		{"pod not bound", made, []*corev1.Pod{pod}, []int{1, 2}},
		{"pod bound elsewhere", made, []*corev1.Pod{bound}, nil},
	} {
		s := newSurveyor(t)
		s.assumed.released(made)
		nodes := []*corev1.Node{testNode(t, "n1", "cpu=1"), testNode(t, "n2", "cpu=1"), testNode(t, "n3", "cpu=1")}
		out := s.survey(cluster{now: now, nodes: nodes, jobs: []*batchv1.Job{c.job}, pods: c.pods})
		if len(out.Running) != 1 || !slices.Equal(out.Running[0].Preferred, c.preferred) {
			t.Errorf("%s: running %+v, want one that prefers %v", c.name, out.Running, c.preferred)
		}
	}
}

// The memory of a surveyor changes nothing: a fresh one sees the same.
func TestSurveyForgetsNothing(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	old := newSurveyor(t)
	rng := rand.New(rand.NewPCG(7, 7))
	c := newRandomCluster(t, rng, now)
	for step := range 300 {
		switch rng.IntN(3) {
		case 0:
			c = newRandomCluster(t, rng, now)
		case 1:
			n := c.nodes[rng.IntN(len(c.nodes))].DeepCopy()
			n.Spec.Unschedulable = !n.Spec.Unschedulable
			for i := range c.nodes {
				if c.nodes[i].Name == n.Name {
					c.nodes = slices.Clone(c.nodes)
					c.nodes[i] = n
				}
			}
		}
		a, b := old.survey(c.cluster), newSurveyor(t).survey(c.cluster)
		if diff := cmp.Diff(b.Snapshot, a.Snapshot); diff != "" {
			t.Fatalf("step %d: -fresh +old:\n%s", step, diff)
		}
	}
}

func TestTemplateRequest(t *testing.T) {
	j := testJob(t, "a", "cpu=500m")
	spec := &j.Spec.Template.Spec
	spec.Containers[0].Resources.Limits = quantities(t, []string{"cpu=2", "gpu=1", "memory=1Gi"})
	spec.InitContainers = []corev1.Container{{Name: "init", Resources: corev1.ResourceRequirements{Limits: quantities(t, []string{"cpu=1"})}}}
	want := amounts{"cpu": 1000, "memory": 1 << 30, "nvidia.com/gpu": 1, "pods": 1}
	if diff := cmp.Diff(want, templateRequest(&j.Spec.Template)); diff != "" {
		t.Error(diff)
	}
	if len(spec.Containers[0].Resources.Requests) != 1 {
		t.Error("the template was changed")
	}
}

func TestPodEnded(t *testing.T) {
	exited := func(code int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}
	}
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	always := corev1.ContainerRestartPolicyAlways
	for _, c := range []struct {
		name     string
		phase    corev1.PodPhase
		policy   corev1.RestartPolicy
		own      *corev1.ContainerRestartPolicy
		statuses []corev1.ContainerStatus
		want     bool
	}{
		{"new", corev1.PodPending, corev1.RestartPolicyNever, nil, nil, false},
		{"runs", corev1.PodRunning, corev1.RestartPolicyNever, nil, []corev1.ContainerStatus{running, exited(0)}, false},
		{"succeeded", corev1.PodSucceeded, corev1.RestartPolicyNever, nil, nil, true},
		{"failed", corev1.PodFailed, corev1.RestartPolicyNever, nil, nil, true},
		{"all exited", corev1.PodRunning, corev1.RestartPolicyNever, nil, []corev1.ContainerStatus{exited(0), exited(1)}, true},
		{"one has no status", corev1.PodRunning, corev1.RestartPolicyNever, nil, []corev1.ContainerStatus{exited(0)}, false},
		{"exited well, on failure", corev1.PodRunning, corev1.RestartPolicyOnFailure, nil, []corev1.ContainerStatus{exited(0), exited(0)}, true},
		{"exited badly, on failure", corev1.PodRunning, corev1.RestartPolicyOnFailure, nil, []corev1.ContainerStatus{exited(0), exited(1)}, false},
		{"exited, always", corev1.PodRunning, corev1.RestartPolicyAlways, nil, []corev1.ContainerStatus{exited(0), exited(0)}, false},
		{"a container's own policy", corev1.PodRunning, corev1.RestartPolicyNever, &always, []corev1.ContainerStatus{exited(0), exited(0)}, false},
	} {
		p := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: c.policy, Containers: []corev1.Container{{Name: "a", RestartPolicy: c.own}, {Name: "b"}}},
			Status: corev1.PodStatus{Phase: c.phase, ContainerStatuses: c.statuses}}
		if got := podEnded(p); got != c.want {
			t.Errorf("%s: ended %t", c.name, got)
		}
	}
}
