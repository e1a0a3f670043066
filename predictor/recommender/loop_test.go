package recommender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpafake "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/election"
)

// A world is a cluster of client-go's fakes, a predictor and a Prometheus.
type world struct {
	*testing.T
	kube    *kubefake.Clientset
	vpa     *vpafake.Clientset
	objects *dynamicfake.FakeDynamicClient

	estimate predictor.Estimate
	dead     error // of the predictor
	asked    predictor.JobSpec
	usage    UsageFunc
	most     corev1.ResourceList // Config.MaxAllowed
}

func newWorld(t *testing.T, objects ...runtime.Object) *world {
	w := &world{T: t, kube: kubefake.NewSimpleClientset(objects...), vpa: vpafake.NewSimpleClientset(),
		objects: dynamicfake.NewSimpleDynamicClient(runtime.NewScheme())}
	w.vpa.Resources = []*metav1.APIResourceList{{GroupVersion: "autoscaling.k8s.io/v1"}}
	return w
}

// Estimate implements predictor.Estimator.
func (w *world) Estimate(_ context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	w.asked = jobs[0]
	return []predictor.Estimate{w.estimate}, w.dead
}

func (w *world) Remaining(context.Context, []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	return nil, errors.ErrUnsupported
}

func (w *world) Explain(context.Context, predictor.JobSpec) (predictor.Explanation, error) {
	return predictor.Explanation{}, errors.ErrUnsupported
}

// start runs a loop until the test's bubble ends.
func (w *world) start() {
	w.Helper()
	l, err := newLoop(Config{Interval: time.Minute, MaxAllowed: w.most}, w.kube, w.objects, w.vpa, Sources{Estimator: w, Usage: w.usage},
		slog.New(slog.NewTextHandler(w.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		w.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
}

func (w *world) create(v *vpav1.VerticalPodAutoscaler) {
	w.Helper()
	if _, err := w.vpa.AutoscalingV1().VerticalPodAutoscalers(v.Namespace).Create(w.Context(), v, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) status(name string) vpav1.VerticalPodAutoscalerStatus {
	w.Helper()
	v, err := w.vpa.AutoscalingV1().VerticalPodAutoscalers("ml").Get(w.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return v.Status
}

// patches counts what was written of a VerticalPodAutoscaler.
func (w *world) patches(name string) (n int) {
	for _, a := range w.vpa.Actions() {
		if p, ok := a.(interface{ GetName() string }); ok && a.GetVerb() == "patch" && p.GetName() == name {
			n++
		}
	}
	return n
}

// conditions are those of a status, "Type=Status: message", one a line.
func conditions(s vpav1.VerticalPodAutoscalerStatus) string {
	var lines []string
	for _, c := range s.Conditions {
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s=%s: %s", c.Type, c.Status, c.Message), ": "))
	}
	return strings.Join(lines, "\n")
}

// recommended is what a status recommends, a line a container.
func recommended(s vpav1.VerticalPodAutoscalerStatus) string {
	if s.Recommendation == nil {
		return ""
	}
	var lines []string
	for _, r := range s.Recommendation.ContainerRecommendations {
		lines = append(lines, r.ContainerName+": "+told(r))
	}
	return strings.Join(lines, "\n")
}

func vpaFor(name, apiVersion, kind, target string) *vpav1.VerticalPodAutoscaler {
	return &vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: name, UID: "uid-of-" + "vpa", Generation: 3},
		Spec: vpav1.VerticalPodAutoscalerSpec{
			TargetRef:    &autoscalingv1.CrossVersionObjectReference{APIVersion: apiVersion, Kind: kind, Name: target},
			Recommenders: []*vpav1.VerticalPodAutoscalerRecommenderSelector{{Name: Name}},
		},
	}
}

func template(labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "train:1"}, {Name: "proxy", Image: "proxy:1"}}},
	}
}

func cronJob(name string, labels map[string]string) *batchv1.CronJob {
	return &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: name},
		Spec:       batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template(labels)}}},
	}
}

func node(name, cpu, memory string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Allocatable: quantities(cpu, memory)}}
}

// warm is an estimate of 2 GiB by many runs.
var warm = predictor.Estimate{
	PeakMemory:    predictor.Quantiles[predictor.Bytes]{P10: gib, P50: 3 * gib / 2, P90: 7 * gib / 4, P99: 15 * gib / 8},
	MemoryRequest: 2 * gib,
	PeakCPU:       predictor.Quantiles[predictor.Milli]{P10: 1000, P50: 2000, P90: 2500, P99: 3000},
	Samples:       20,
}

// A CronJob is sized by its runs, once; what another recommender is chosen for is left
// alone; and news is written within an interval.
func TestCronJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := metav1.NewTime(time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC))
		nightly := cronJob("nightly", map[string]string{"app": "nightly"})
		nightly.Status.LastScheduleTime = &last
		run := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: fmt.Sprintf("nightly-%d", last.Unix()/60), Annotations: map[string]string{"runcast.dev/user": "cronjob-controller"}}}
		w := newWorld(t, nightly, run, node("n1", "8", "16Gi"))
		w.estimate = warm
		other := vpaFor("other", "batch/v1", "CronJob", "nightly")
		other.UID, other.Spec.Recommenders = "other", nil
		w.create(other)
		w.create(vpaFor("nightly", "batch/v1", "CronJob", "nightly"))
		w.start()
		time.Sleep(5 * time.Second)

		s := w.status("nightly")
		if diff := cmp.Diff("main: cpu 2/2800m/6720m (2800m) memory 1536Mi/2Gi/4Gi (2Gi)", recommended(s)); diff != "" {
			t.Errorf("recommended (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("RecommendationProvided=True", conditions(s)); diff != "" {
			t.Errorf("conditions (-want +got):\n%s", diff)
		}
		if s.ObservedGeneration == nil || *s.ObservedGeneration != 3 || s.Conditions[0].ObservedGeneration != 3 {
			t.Errorf("observed generation %v, of the condition %d, want 3", s.ObservedGeneration, s.Conditions[0].ObservedGeneration)
		}
		if w.asked.Owner != "CronJob/nightly" || w.asked.Image != "train:1" || w.asked.User != "cronjob-controller" || w.asked.Submitted.IsZero() {
			t.Errorf("the predictor was asked about %+v", w.asked)
		}

		time.Sleep(10 * time.Minute)
		if n := w.patches("nightly"); n != 1 {
			t.Errorf("%d patches without news, want 1", n)
		}
		if n := w.patches("other"); n != 0 || !cmp.Equal(w.status("other"), vpav1.VerticalPodAutoscalerStatus{}) {
			t.Errorf("%d patches of another recommender's object", n)
		}

		w.estimate.MemoryRequest = 3 * gib
		time.Sleep(time.Minute)
		s = w.status("nightly")
		if diff := cmp.Diff("main: cpu 2/2800m/6720m (2800m) memory 1536Mi/3Gi/6Gi (3Gi)", recommended(s)); diff != "" {
			t.Errorf("recommended after more runs (-want +got):\n%s", diff)
		}

		// A dead predictor takes nothing away.
		w.dead = errors.New("gone")
		time.Sleep(10 * time.Minute)
		if n := w.patches("nightly"); n != 2 {
			t.Errorf("%d patches, want 2: the second when the estimate changed", n)
		}
	})
}

// A Job is sized as the next one of its kind would be, within the LimitRanges of its
// namespace and what the configuration allows at most.
func TestJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "once", Annotations: map[string]string{"runcast.dev/job-family": "train"}},
			Spec:       batchv1.JobSpec{Template: template(map[string]string{"app": "once"}), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "once"}}},
		}
		ranges := func(namespace, most string) *corev1.LimitRange {
			return &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "most"}, Spec: corev1.LimitRangeSpec{
				Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: quantities(most, "")}},
			}}
		}
		w := newWorld(t, job, node("big", "12", "24Gi"), ranges("ml", "2500m"), ranges("other", "1"))
		w.estimate, w.most = warm, quantities("", "1792Mi")
		w.create(vpaFor("once", "batch/v1", "Job", "once"))
		w.start()
		time.Sleep(5 * time.Second)
		s := w.status("once")
		if diff := cmp.Diff("main: cpu 2/2500m/2500m (2800m) memory 1536Mi/1792Mi/1792Mi (2Gi)", recommended(s)); diff != "" {
			t.Errorf("recommended (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("RecommendationProvided=True", conditions(s)); diff != "" {
			t.Errorf("conditions (-want +got):\n%s", diff)
		}
		if w.asked.Family != "train" {
			t.Errorf("the predictor was asked about %+v", w.asked)
		}
	})
}

// A Deployment is sized by the use of its containers.
func TestDeployment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		labels := map[string]string{"app": "web"}
		w := newWorld(t, node("n1", "8", "16Gi"),
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "web"}, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template(labels)}},
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "web-1-2", Labels: labels}})
		var spans []time.Duration
		w.usage = func(_ context.Context, namespace, kind, name string, from, to time.Time) (all []predictor.ContainerUsage, _ error) {
			if got := namespace + " " + kind + " " + name; got != "ml Deployment web" {
				t.Errorf("asked for the usage of %s", got)
			}
			spans = append(spans, to.Sub(from))
			for end := from.Add(UsageInterval); !end.After(to); end = end.Add(UsageInterval) {
				all = append(all, predictor.ContainerUsage{Container: "main", End: end, CPUCores: 1, Memory: gib},
					predictor.ContainerUsage{Container: "proxy", End: end, CPUCores: 0.1, Memory: 100 * mib})
			}
			return all, nil
		}
		w.create(vpaFor("web", "apps/v1", "Deployment", "web"))
		w.start()
		time.Sleep(5 * time.Second)
		s := w.status("web")
		want := "main: cpu 1/1020m/1148m (1020m) memory 1Gi/1076Mi/1211Mi (1076Mi)\nproxy: cpu 100m/102m/115m (102m) memory 100Mi/105Mi/119Mi (105Mi)"
		if diff := cmp.Diff(want, recommended(s)); diff != "" {
			t.Errorf("recommended (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("RecommendationProvided=True", conditions(s)); diff != "" {
			t.Errorf("conditions (-want +got):\n%s", diff)
		}
		time.Sleep(20 * time.Minute)
		if n := w.patches("web"); n != 1 {
			t.Errorf("%d patches of a workload that uses the same all the time, want 1", n)
		}
		if want := append(slices.Repeat([]time.Duration{24 * time.Hour}, 8), slices.Repeat([]time.Duration{5 * time.Minute}, 4)...); !slices.Equal(spans, want) {
			t.Errorf("asked for the spans %v, want 8 days and then what is new", spans)
		}
	})
}

// scaled has the cluster know the kind RayCluster, each with a scale that tells the selector.
func (w *world) scaled(selector string) {
	w.kube.Resources = []*metav1.APIResourceList{{GroupVersion: "ray.io/v1", APIResources: []metav1.APIResource{
		{Name: "rayclusters", Kind: "RayCluster"}, {Name: "rayclusters/scale", Kind: "Scale"}, {Name: "rayjobs", Kind: "RayJob"},
	}}}
	w.objects.PrependReactor("get", "rayclusters", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "scale" {
			w.Errorf("asked for %v", a)
		}
		return true, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "autoscaling/v1", "kind": "Scale", "status": map[string]any{"selector": selector},
		}}, nil
	})
}

// A kind that only its scale subresource is known of is sized by the use of its pods'
// controller.
func TestScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, node("n1", "8", "16Gi"))
		for i, name := range []string{"old", "new"} {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "ml", Name: name, Labels: map[string]string{"app": "ray"}, CreationTimestamp: metav1.NewTime(time.Now().Add(time.Duration(i) * time.Hour)),
				OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "ray-" + name, Controller: new(true)}},
			}, Spec: template(nil).Spec}
			if _, err := w.kube.CoreV1().Pods("ml").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		w.scaled("app=ray")
		w.usage = func(_ context.Context, namespace, kind, name string, from, to time.Time) (all []predictor.ContainerUsage, _ error) {
			if got := namespace + " " + kind + " " + name; got != "ml StatefulSet ray-new" {
				t.Errorf("asked for the usage of %s", got)
			}
			for end := from.Add(UsageInterval); !end.After(to); end = end.Add(UsageInterval) {
				all = append(all, predictor.ContainerUsage{Container: "main", End: end, CPUCores: 1, Memory: gib})
			}
			return all, nil
		}
		w.create(vpaFor("ray", "ray.io/v1", "RayCluster", "cluster"))
		w.start()
		time.Sleep(5 * time.Second)
		if diff := cmp.Diff("main: cpu 1/1020m/1148m (1020m) memory 1Gi/1076Mi/1211Mi (1076Mi)", recommended(w.status("ray"))); diff != "" {
			t.Errorf("recommended (-want +got):\n%s", diff)
		}
	})
}

// TestConditions tells a user in one sentence why there is no recommendation.
func TestConditions(t *testing.T) {
	app := map[string]string{"app": "x"}
	owned := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "web-1", OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", Controller: new(true)}}}, Spec: appsv1.ReplicaSetSpec{Template: template(app), Selector: &metav1.LabelSelector{MatchLabels: app}}}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "web"}, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template(app)}}
	for _, c := range []struct {
		name                     string
		objects                  []runtime.Object
		apiVersion, kind, target string
		change                   func(*world, *vpav1.VerticalPodAutoscaler)
		want                     string
		recommends               bool
	}{
		{name: "no such target", apiVersion: "batch/v1", kind: "CronJob", target: "x",
			want: "ConfigUnsupported=True: CronJob ml/x does not exist"},
		{name: "a kind nobody knows", apiVersion: "batch.volcano.sh/v1alpha1", kind: "Job", target: "x",
			want: "ConfigUnsupported=True: spec.targetRef is a Job of batch.volcano.sh/v1alpha1: expected a CronJob, Job, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, or a kind with a scale subresource that tells a selector"},
		{name: "a kind without a scale", apiVersion: "ray.io/v1", kind: "RayJob", target: "x",
			change: func(w *world, _ *vpav1.VerticalPodAutoscaler) { w.scaled("") },
			want:   "ConfigUnsupported=True: spec.targetRef is a RayJob of ray.io/v1: expected a CronJob, Job, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, or a kind with a scale subresource that tells a selector"},
		{name: "a scale without a selector", apiVersion: "ray.io/v1", kind: "RayCluster", target: "x",
			change: func(w *world, _ *vpav1.VerticalPodAutoscaler) { w.scaled("") },
			want:   "ConfigUnsupported=True: spec.targetRef is a RayCluster of ray.io/v1: expected a CronJob, Job, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, or a kind with a scale subresource that tells a selector"},
		{name: "a scale without pods", apiVersion: "ray.io/v1", kind: "RayCluster", target: "x",
			change: func(w *world, _ *vpav1.VerticalPodAutoscaler) {
				w.scaled("app=x")
				w.usage = func(context.Context, string, string, string, time.Time, time.Time) ([]predictor.ContainerUsage, error) {
					return nil, nil
				}
			},
			want: "NoPodsMatched=True: no pods match the selector of RayCluster ml/x: app=x"},
		{name: "not the topmost", objects: []runtime.Object{owned}, apiVersion: "apps/v1", kind: "ReplicaSet", target: "web-1",
			want: "ConfigUnsupported=True: ReplicaSet ml/web-1 is controlled by Deployment web: aim at that"},
		{name: "no pods", objects: []runtime.Object{deployment}, apiVersion: "apps/v1", kind: "Deployment", target: "web",
			change: func(w *world, _ *vpav1.VerticalPodAutoscaler) {
				w.usage = func(context.Context, string, string, string, time.Time, time.Time) ([]predictor.ContainerUsage, error) {
					return nil, nil
				}
			},
			want: "NoPodsMatched=True: no pods match the selector of Deployment ml/web: app=x"},
		{name: "no Prometheus", objects: []runtime.Object{deployment}, apiVersion: "apps/v1", kind: "Deployment", target: "web",
			want: "ConfigUnsupported=True: what keeps running is sized by its use, and this recommender has no Prometheus: set prometheus.url"},
		{name: "pods without labels", objects: []runtime.Object{cronJob("x", nil)}, apiVersion: "batch/v1", kind: "CronJob", target: "x", recommends: true,
			want: "NoPodsMatched=True: the pods of CronJob ml/x have no labels, so that VPA's admission controller cannot tell them: give the pod template some"},
		{name: "few runs", objects: []runtime.Object{cronJob("x", app)}, apiVersion: "batch/v1", kind: "CronJob", target: "x",
			change: func(w *world, _ *vpav1.VerticalPodAutoscaler) { w.estimate.Cold = true },
			want:   "LowConfidence=True: too few of its runs have succeeded to size the next one"},
		{name: "no model", objects: []runtime.Object{cronJob("x", app)}, apiVersion: "batch/v1", kind: "CronJob", target: "x",
			change: func(w *world, _ *vpav1.VerticalPodAutoscaler) { w.dead = predictor.ErrNoModel },
			want:   "LowConfidence=True: no model has been trained yet"},
		{name: "all containers off", objects: []runtime.Object{cronJob("x", app)}, apiVersion: "batch/v1", kind: "CronJob", target: "x",
			change: func(_ *world, v *vpav1.VerticalPodAutoscaler) {
				v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "*", Mode: new(vpav1.ContainerScalingModeOff)}}}
			},
			want: "RecommendationProvided=False: the resource policy leaves nothing to recommend"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.objects...)
				w.estimate = warm
				v := vpaFor("x", c.apiVersion, c.kind, c.target)
				if c.change != nil {
					c.change(w, v)
				}
				w.create(v)
				w.start()
				time.Sleep(5 * time.Minute)
				s := w.status("x")
				if got := conditions(s); !strings.Contains("\n"+got+"\n", "\n"+c.want+"\n") {
					t.Errorf("conditions\n%s\nwant\n%s", got, c.want)
				}
				if n := w.patches("x"); n != 1 {
					t.Errorf("%d patches, want 1", n)
				}
				if got := s.Recommendation != nil; got != c.recommends {
					t.Errorf("a recommendation: %t, want %t", got, c.recommends)
				}
			})
		})
	}
}

// What is mended is no longer complained of, and what was recommended stays while
// nothing better is known.
func TestMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.estimate = warm
		w.create(vpaFor("x", "batch/v1", "CronJob", "x"))
		w.start()
		time.Sleep(time.Minute)
		cron := cronJob("x", map[string]string{"app": "x"})
		if _, err := w.kube.BatchV1().CronJobs("ml").Create(t.Context(), cron, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		s := w.status("x")
		if diff := cmp.Diff("RecommendationProvided=True", conditions(s)); diff != "" {
			t.Errorf("conditions (-want +got):\n%s", diff)
		}
		before := recommended(s)
		w.estimate = predictor.Estimate{Cold: true}
		time.Sleep(2 * time.Minute)
		s = w.status("x")
		if recommended(s) != before || before == "" {
			t.Errorf("recommended %q, want %q still", recommended(s), before)
		}
		if diff := cmp.Diff("LowConfidence=True: too few of its runs have succeeded to size the next one\nRecommendationProvided=True", conditions(s)); diff != "" {
			t.Errorf("conditions (-want +got):\n%s", diff)
		}
	})
}

// An object that has changed hands since it was read is not written.
func TestTakenOver(t *testing.T) {
	w := newWorld(t)
	w.create(vpaFor("x", "batch/v1", "CronJob", "x"))
	l, err := newLoop(Config{Interval: time.Minute}, w.kube, w.objects, w.vpa, Sources{}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	stale := vpaFor("x", "batch/v1", "CronJob", "x")
	taken := stale.DeepCopy()
	taken.Spec.Recommenders[0].Name = "default"
	if _, err := w.vpa.AutoscalingV1().VerticalPodAutoscalers("ml").Update(t.Context(), taken, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	l.write(t.Context(), stale, statusOf(stale, finding{problems: []*problem{lowConfidence("?")}}, time.Now()))
	if s := w.status("x"); !cmp.Equal(s, vpav1.VerticalPodAutoscalerStatus{}) {
		t.Errorf("the status of another recommender's object became %+v", s)
	}
}

func TestNoCRDs(t *testing.T) {
	w := newWorld(t)
	w.vpa.Resources = nil
	l, err := newLoop(Config{Interval: time.Minute}, w.kube, w.objects, w.vpa, Sources{}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, ErrNoCRDs) {
		t.Errorf("error %v, want ErrNoCRDs", err)
	}
}

// Of two replicas one acts; when it goes the other does.
func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cronJob("x", map[string]string{"app": "x"}))
		w.estimate = warm
		w.create(vpaFor("x", "batch/v1", "CronJob", "x"))
		replica := func(identity string) (l *Loop, stop func()) {
			l, err := newLoop(Config{Interval: time.Minute, Election: election.Config{Namespace: "runcast", Name: "recommender", Identity: identity, LeaseDuration: 15 * time.Second}},
				w.kube, w.objects, w.vpa, Sources{Estimator: w}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			return l, func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		a, stopA := replica("a")
		time.Sleep(5 * time.Second)
		b, stopB := replica("b")
		defer stopB()
		time.Sleep(5 * time.Minute)
		if a.LastRound().IsZero() || !b.LastRound().IsZero() {
			t.Errorf("last rounds: a %v, b %v; want a alone to act", a.LastRound(), b.LastRound())
		}
		stopA()
		if !a.LastRound().IsZero() {
			t.Errorf("a does not lead any more, and says that it is to have made a round since %v", a.LastRound())
		}
		stopped := time.Now()
		time.Sleep(20 * time.Second)
		if b.LastRound().Before(stopped) {
			t.Error("b does not act after a has ended")
		}
		if n := w.patches("x"); n != 1 {
			t.Errorf("%d patches, want 1", n)
		}
	})
}
