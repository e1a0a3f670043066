package kube

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

func TestSizeOf(t *testing.T) {
	list := func(fields ...string) corev1.ResourceList { return quantities(t, fields) }
	sidecar := corev1.ContainerRestartPolicyAlways
	for _, c := range []struct {
		name  string
		pod   corev1.PodSpec
		ask   predictor.Bytes
		want  string // requests and limits of the main container; "" for no change
		total string // memory request of the pod
	}{
		{"smaller", corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: list("cpu=2", "memory=8Gi")}}}},
			3 * predictor.GiB, "3Gi/0", "3Gi"},
		{"larger", corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: list("memory=1Gi")}}}},
			3*predictor.GiB + 1, "3073Mi/0", "3073Mi"},
		{"the same", corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: list("memory=3Gi")}}}},
			3*predictor.GiB - 1, "", ""},
		{"without a request", corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}, predictor.GiB, "1Gi/0", "1Gi"},
		{"a limit stays", corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Limits: list("memory=8Gi")}}}},
			predictor.GiB, "1Gi/8Gi", "1Gi"},
		{"a limit is not below", corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Limits: list("memory=1Gi")}}}},
			2 * predictor.GiB, "2Gi/2Gi", "2Gi"},
		{"beside others", corev1.PodSpec{
			Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: list("memory=8Gi")}}, {Name: "log", Resources: corev1.ResourceRequirements{Limits: list("memory=256Mi")}}},
			InitContainers: []corev1.Container{
				{Name: "proxy", RestartPolicy: &sidecar, Resources: corev1.ResourceRequirements{Requests: list("memory=256Mi")}},
				{Name: "fetch", Resources: corev1.ResourceRequirements{Requests: list("memory=1Gi")}},
			}}, 4 * predictor.GiB, "3584Mi/0", "4Gi"},
		{"a large init container", corev1.PodSpec{
			Containers:     []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: list("memory=8Gi")}}},
			InitContainers: []corev1.Container{{Name: "fetch", Resources: corev1.ResourceRequirements{Requests: list("memory=6Gi")}}},
		}, 4 * predictor.GiB, "4Gi/0", "6Gi"},
		{"others need all of it", corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}, {Name: "log", Resources: corev1.ResourceRequirements{Requests: list("memory=4Gi")}}}},
			predictor.GiB, "", ""},
		{"whole pods", corev1.PodSpec{Resources: &corev1.ResourceRequirements{Requests: list("memory=4Gi")}, Containers: []corev1.Container{{Name: "main"}}},
			predictor.GiB, "", ""},
		{"unknown", corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}, 0, "", ""},
		{"no container", corev1.PodSpec{}, predictor.GiB, "", ""},
	} {
		job := &batchv1.Job{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: c.pod}}}
		before := job.DeepCopy()
		s := sizeOf(job, c.ask)
		if !equality.Semantic.DeepEqual(job, before) {
			t.Errorf("%s: the Job was changed", c.name)
		}
		got, total := "", ""
		if s != nil {
			got = s.resources.Requests.Memory().String() + "/" + s.resources.Limits.Memory().String()
			total = resource.NewQuantity(s.request[memory], resource.BinarySI).String()
		}
		if got != c.want || total != c.total {
			t.Errorf("%s: %q of %q, want %q of %q", c.name, got, total, c.want, c.total)
		}
	}
}

// Whatever the template, a size changes the memory of one container and nothing else, and
// the pod then has at least what was asked for.
func TestSizeChangesNothingElse(t *testing.T) {
	amount := func(rng *rand.Rand) *resource.Quantity {
		return resource.NewQuantity(1+rng.Int64N(16<<30), resource.BinarySI)
	}
	sized := 0
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		job := &batchv1.Job{}
		spec := &job.Spec.Template.Spec
		for i := range 1 + rng.IntN(3) {
			c := corev1.Container{Name: string(rune('a' + i)), Resources: corev1.ResourceRequirements{Requests: quantities(t, []string{"cpu=1"})}}
			if rng.IntN(3) > 0 {
				c.Resources.Requests[corev1.ResourceMemory] = *amount(rng)
			}
			if rng.IntN(3) == 0 {
				c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: *amount(rng), "nvidia.com/gpu": resource.MustParse("1")}
			}
			spec.Containers = append(spec.Containers, c)
		}
		if rng.IntN(2) == 0 {
			job.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/default-container": "b"}
		}
		ask := predictor.Bytes(amount(rng).Value())
		s := sizeOf(job, ask)
		if s == nil {
			continue
		}
		sized++
		after := job.DeepCopy()
		after.Spec.Template.Spec.Containers[s.container].Resources = s.resources
		if got := templateRequest(&after.Spec.Template); got[memory] < int64(ask) || got[memory] >= int64(ask+predictor.MiB) || got[memory] != s.request[memory] {
			t.Fatalf("seed %d: the pod asks for %d (%d foretold), want %d", seed, got[memory], s.request[memory], ask)
		}
		c := &after.Spec.Template.Spec.Containers[s.container]
		if l := c.Resources.Limits.Memory(); !l.IsZero() && l.Cmp(*c.Resources.Requests.Memory()) < 0 {
			t.Fatalf("seed %d: limit %s below request", seed, l)
		}
		for _, j := range []*batchv1.Job{job, after} {
			delete(j.Spec.Template.Spec.Containers[s.container].Resources.Requests, corev1.ResourceMemory)
			delete(j.Spec.Template.Spec.Containers[s.container].Resources.Limits, corev1.ResourceMemory)
		}
		if !equality.Semantic.DeepEqual(job, after) {
			t.Fatalf("seed %d: more than memory changed", seed)
		}
	}
	if sized < 500 {
		t.Errorf("%d sizes: the cases are too plain", sized)
	}
}

// What is freed by right-sizing is room for others in the same plan; the Job tells what
// became of its request, and what was asked for is kept.
func TestRightSizedRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=8", "memory=10Gi"))
		o := newOracle()
		for _, name := range []string{"a", "b", "told", "off", "huge", "started"} {
			o.runtimes[name], o.requests[name] = time.Minute, 2*predictor.GiB
		}
		o.requests["huge"] = 11 * predictor.GiB
		apply := func(name string) *batchv1.Job {
			return annotated(testJob(t, name, "cpu=1", "memory=8Gi"), jobspec.AnnotationRightSize, "apply")
		}
		_, stop := runLoop(t, s, o, Config{})
		defer stop()
		s.create(t, apply("a"), apply("b"))
		time.Sleep(3 * time.Second)
		for _, name := range []string{"a", "b"} {
			j := s.job(t, name)
			if m := j.Spec.Template.Spec.Containers[0].Resources.Requests.Memory(); suspended(j) || m.String() != "2Gi" {
				t.Errorf("%s: suspended %t, memory %s", name, suspended(j), m)
			}
			if got := j.Annotations[jobspec.AnnotationUserMemory]; got != "8589934592" {
				t.Errorf("%s: the user asked for %q", name, got)
			}
		}
		if events := s.takeEvents(); !slices.Contains(events, "Resized a: container main asks for 2Gi of memory instead of 8Gi; predicted from 3 runs") {
			t.Errorf("no event Resized of a in %q", events)
		}

		for name, recommended := range map[string]string{"told": "2147483648", "off": "", "huge": "11811160064"} {
			j := testJob(t, name, "cpu=1", "memory=1Gi")
			switch name {
			case "off":
				annotated(j, jobspec.AnnotationRightSize, "off")
			case "huge": // no node has so much
				annotated(j, jobspec.AnnotationRightSize, "apply")
			}
			s.create(t, j)
			time.Sleep(3 * time.Second)
			j = s.job(t, name)
			if m := j.Spec.Template.Spec.Containers[0].Resources.Requests.Memory(); suspended(j) || m.String() != "1Gi" {
				t.Errorf("%s: suspended %t, memory %s", name, suspended(j), m)
			}
			if got := j.Annotations[jobspec.AnnotationMemoryRequest]; got != recommended {
				t.Errorf("%s: recommended %q, want %q", name, got, recommended)
			}
		}

		started := apply("started")
		started.Spec.Template.Spec.Containers[0].Resources.Requests = quantities(t, []string{"memory=1Gi"})
		started.Status.StartTime = &metav1.Time{Time: time.Now()}
		s.create(t, started)
		s.refuse("b2")
		refused := apply("b2")
		refused.Spec.Template.Spec.Containers[0].Resources.Requests = quantities(t, []string{"memory=2Gi"})
		o.set(func(o *oracle) { o.runtimes["b2"], o.requests["b2"] = time.Minute, predictor.GiB })
		s.create(t, refused)
		time.Sleep(time.Second / 2)
		s.refuse("")
		time.Sleep(10 * time.Second)
		for name, want := range map[string]string{"started": "1Gi", "b2": "2Gi"} {
			j := s.job(t, name)
			if m := j.Spec.Template.Spec.Containers[0].Resources.Requests.Memory(); suspended(j) || m.String() != want {
				t.Errorf("%s: suspended %t, memory %s, want it released as it was", name, suspended(j), m)
			}
		}
	})
}
