//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/predictor/rpc"
	"github.com/runcast/runcast/test/cluster"
)

// TestInstall installs the chart by helm and plays the kubelet for its pods: what their
// containers say runs with the files that they mount, as their service accounts, and
// does its work without being refused anything.
func TestInstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.AddNodes(w.ctx, cluster.Node{Name: "n", CPUs: 64, Memory: "256Gi", GPUs: 8, Labels: map[string]string{poolLabel: "queued"}}); err != nil {
		t.Fatal(err)
	}
	w.namespace("queued", nil)
	w.namespace(runcastNamespace, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	w.addOptionalTypes()
	i := &installation{world: w, vpa: newAutoscaler(w)}
	for _, story := range []struct {
		name string
		play func(*installation)
	}{
		{"the API server takes every manifest", validManifests},
		{"all components do their work as their service accounts", componentsWork},
		{"nobody may do more than its part", leastPrivilege},
		{"what cannot be sized is told why", unsizeable},
		{"strangers are refused", strangers},
		{"every panel and every rule has data", everyQueryAnswers},
		{"metrics keep to the conventions", conventionalMetrics},
		{"a dead scheduler holds no job", nothingHeld},
		{"a lost store comes back from a backup", restored},
		{"upgrade and rollback keep the history, the models and the certificates", keeps},
		{"one pod has the rights of all", onePod},
		{"uninstalled, only the store is left, and is found again", uninstalled},
	} {
		ok := t.Run(story.name, func(t *testing.T) {
			outer := w.T
			defer func() { w.T = outer }()
			w.T = t
			story.play(i)
		})
		if !ok {
			t.FailNow() // each story stands on those before
		}
	}
}

const (
	runcastNamespace = "runcast"
	chart            = "../../deploy/chart"
)

func (w *world) namespace(name string, labels map[string]string) {
	w.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := w.Client().CoreV1().Namespaces().Create(w.ctx, ns, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// An installation is the release "runcast" of the chart.
type installation struct {
	*world
	vpa       *autoscaler
	processes []string // names of those that were run
	secrets   []string // tokens, which no log may have
}

// helm runs helm as the administrator.
func (i *installation) helm(args ...string) string {
	i.Helper()
	binaries, err := cluster.Tools(i.ctx, slog.New(slog.DiscardHandler), "helm")
	if err != nil {
		i.Fatal(err)
	}
	cmd := exec.CommandContext(i.ctx, binaries["helm"], append(args, "--namespace="+runcastNamespace)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+i.Kubeconfig(), "HOME="+i.TempDir())
	out, err := cmd.Output()
	if err != nil {
		i.Fatalf("helm %v: %v\n%s", args, err, stderrOf(err))
	}
	return string(out)
}

// values are those of this control plane.
func (i *installation) values(more ...string) []string {
	set := append([]string{
		"config.prometheus.url=" + i.PrometheusURL(), "config.prometheus.scrape_interval=2s",
		"config.collector.lag=5s", "config.collector.history_lag=" + historyLag.String(), "config.collector.backfill=1h",
		"config.scheduler.replan=2s", "config.recommender.interval=5s", "config.train.every=1h",
	}, more...)
	return []string{"--set=" + strings.Join(set, ",")}
}

// validManifests has the API server validate what the chart renders, unknown fields
// included, and the pods against the Pod Security Standard.
func validManifests(i *installation) {
	files, err := filepath.Glob("../../deploy/testdata/*.values.yaml")
	if err != nil || len(files) == 0 {
		i.Fatal(err, files)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(i.Client().Discovery()))
	client, err := dynamic.NewForConfig(i.RESTConfig(cluster.AdminToken))
	if err != nil {
		i.Fatal(err)
	}
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	for _, file := range append(files, "") {
		args := []string{"template", "runcast", chart, "--api-versions=monitoring.coreos.com/v1"}
		if file != "" {
			args = append(args, "--values="+file)
		}
		objects, pods := 0, 0
		for doc := range strings.SplitSeq(i.helm(args...), "\n---\n") {
			var object unstructured.Unstructured
			if err := yaml.Unmarshal([]byte(doc), &object.Object); err != nil {
				i.Fatalf("%s: %v", file, err)
			}
			kind := object.GroupVersionKind()
			mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
			if err != nil {
				i.Errorf("%s: %s %s: %v", file, kind.Kind, object.GetName(), err)
				continue
			}
			var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
			if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
				resource = client.Resource(mapping.Resource).Namespace(object.GetNamespace())
			}
			if _, err := resource.Create(i.ctx, &object, dryRun); err != nil {
				i.Errorf("%s: %s %s: %v", file, kind.Kind, object.GetName(), err)
			}
			objects++
			if pod := podOf(i.T, object); pod != nil {
				if _, err := i.Client().CoreV1().Pods(runcastNamespace).Create(i.ctx, pod, dryRun); err != nil {
					i.Errorf("%s: pod of %s %s: %v", file, kind.Kind, object.GetName(), err)
				}
				pods++
			}
		}
		i.Logf("%s: %d objects and %d pods are valid", file, objects, pods)
	}
}

// podOf is the pod that a workload would make; nil if it is none.
func podOf(t *testing.T, object unstructured.Unstructured) *corev1.Pod {
	t.Helper()
	path := []string{"spec", "template"}
	if object.GetKind() == "CronJob" {
		path = []string{"spec", "jobTemplate", "spec", "template"}
	}
	template, ok, err := unstructured.NestedMap(object.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil
	}
	text, err := yaml.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(text, pod); err != nil {
		t.Fatal(err)
	}
	pod.GenerateName = object.GetName() + "-"
	return pod
}

// componentsWork installs the release and has it do the main job: a webhook that
// suspends, a scheduler that releases, a collector that records, a training, and
// estimates of its model.
func componentsWork(i *installation) {
	i.helm(append([]string{"install", "runcast", chart}, i.values()...)...)
	i.run("collector", "collector")
	i.run("predictor", "predictor")
	i.run("scheduler-0", "scheduler")
	i.run("scheduler-1", "scheduler")
	i.addWebhook("scheduler-0")

	src := rand.New(rand.NewPCG(1, 1))
	runs := append(few(src, "installed", 12), runsOf(src, func(k *kind) int { return 2 * btoi(k.name == "sweep") })...)
	runs[12].runtime, runs[13].runtime = 65*time.Second, 75*time.Second // long enough for DCGM
	i.submit(runs)
	i.await("the jobs to end", 2*time.Minute, func() bool { return i.allOver("queued", runs) })
	i.checkReleases(runs) // suspended by the webhook, released once
	i.history = i.dialAs("runcast-train", "collector").History()
	i.poll("their records", time.Minute, func() error { return i.haveRecords(runs, true) })
	i.train()
	spec, _ := jobspec.FromJob(runs[0].job("queued", "queued", "gpu"), 0)
	estimator := i.dialAs("runcast-scheduler", "predictor").Estimator()
	i.poll("an estimate of its model", time.Minute, func() error {
		e, err := estimator.Estimate(i.ctx, []predictor.JobSpec{spec})
		if err == nil && e[0].Samples == 0 {
			err = fmt.Errorf("%+v", e[0])
		}
		return err
	})
	i.awaitForecasts("scheduler-0", "scheduler-1")
	predicted := few(src, "predicted", 12)
	i.submit(predicted)
	i.await("jobs with predictions to end", 2*time.Minute, func() bool { return i.allOver("queued", predicted) })
	i.poll("their records", time.Minute, func() error { return i.haveRecords(predicted, true) })
	i.run("recommender", "recommender")
	i.vpa.cronJob("nightly")
	i.vpa.create("batch/v1", "CronJob", "nightly", "runcast")
	i.poll("the recommender to have its say", 30*time.Second, func() error {
		conditions, err := i.vpa.conditions("nightly")
		if err == nil && len(conditions) == 0 {
			err = errors.New("no condition")
		}
		return err
	})
	for _, name := range []string{"collector", "predictor", "scheduler-0", "recommender"} {
		i.doctor(name)
	}
	i.logUse()
	lease, err := i.Client().CoordinationV1().Leases(runcastNamespace).Get(i.ctx, "runcast-scheduler", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity == "" {
		i.Errorf("nobody leads: %v", err)
	}
	i.nothingForbidden()
}

// train makes a Job of the CronJob, as `kubectl create job --from` does, and runs what
// its pod would.
func (i *installation) train() {
	i.Helper()
	cron, err := i.Client().BatchV1().CronJobs(runcastNamespace).Get(i.ctx, "runcast-train", metav1.GetOptions{})
	if err != nil {
		i.Fatal(err)
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: "runcast-train-now", Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: cron.Spec.JobTemplate.Spec,
	}
	job.Spec.Template.Annotations = map[string]string{"test.runcast.dev/runtime": "1s"}
	if _, err := i.Client().BatchV1().Jobs(runcastNamespace).Create(i.ctx, job, metav1.CreateOptions{}); err != nil {
		i.Fatal(err)
	}
	out, err := i.command(i.ctx, "train", "train").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "published ") {
		i.Fatalf("train: %v\n%s", err, out)
	}
}

// awaitForecasts submits a job that waits from then on, so that a share of those that
// wait is a number, and waits until schedulers plan it with the predictor's estimate:
// while that had no model they asked it ever more seldom.
func (i *installation) awaitForecasts(schedulers ...string) {
	i.Helper()
	job := few(rand.New(rand.NewPCG(4, 4)), "asleep", 1)[0].job("queued", "queued", "gpu")
	job.Annotations = map[string]string{jobspec.AnnotationEarliestStart: time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
	if _, err := i.Client().BatchV1().Jobs("queued").Create(i.ctx, job, metav1.CreateOptions{}); err != nil {
		i.Fatal(err)
	}
	for _, name := range schedulers {
		i.poll("estimates at "+name, time.Minute, func() error {
			n, err := i.metric(name, `runcast_scheduler_pending_runtimes{from="model"}`)
			if err == nil && n == 0 {
				err = errors.New("none")
			}
			return err
		})
	}
}

// doctor finds in a component's pod that it has the rights it needs.
func (i *installation) doctor(name string) {
	i.Helper()
	component, _, _ := strings.Cut(name, "-")
	config := filepath.Join(i.Dir, "root-"+name, "etc/runcast/config/runcast.yaml")
	out, err := exec.CommandContext(i.ctx, i.binary, "doctor", "--component", component, "--config", config).Output()
	granted := 0
	for line := range strings.SplitSeq(string(out), "\n") {
		if strings.Contains(line, "right to ") {
			granted++
			if !strings.HasPrefix(line, "ok ") {
				i.Errorf("%s: %s", name, line)
			}
		}
	}
	if granted == 0 {
		i.Errorf("%s: no right was checked: %v\n%s%s", name, err, out, stderrOf(err))
	}
}

// logUse tells what the processes use, on a history of a few jobs.
func (i *installation) logUse() {
	i.Helper()
	for _, name := range i.processes {
		memory, err := i.metric(name, "process_resident_memory_bytes")
		if err != nil {
			i.Fatal(err)
		}
		cpu, err := i.metric(name, "process_cpu_seconds_total")
		if err != nil {
			i.Fatal(err)
		}
		i.Logf("%s: resident %.0f MiB, %.1f s of CPU so far", name, memory/(1<<20), cpu)
	}
}

// submit creates the runs as users do who leave the suspending to the webhook, and the
// size of their pods to the scheduler.
func (i *installation) submit(runs []run) {
	i.Helper()
	for n := range runs {
		job := runs[n].job("queued", "queued", "gpu")
		job.Spec.Suspend = nil
		job.Annotations = map[string]string{jobspec.AnnotationRightSize: string(jobspec.Apply)}
		if _, err := i.Client().BatchV1().Jobs("queued").Create(i.ctx, job, metav1.CreateOptions{}); err != nil {
			i.Fatal(err)
		}
	}
}

// nothingHeld kills the schedulers and with them the webhook: jobs start at once.
func nothingHeld(i *installation) {
	i.kill("scheduler-0")
	i.kill("scheduler-1")
	runs := few(rand.New(rand.NewPCG(2, 2)), "unqueued", 2)
	i.submit(runs)
	i.await("jobs to end without Runcast", time.Minute, func() bool { return i.allOver("queued", runs) })
}

// leastPrivilege asks the API server what the service accounts may.
func leastPrivilege(i *installation) {
	for _, tt := range []struct {
		account, namespace, verb, group, resource, name string
		allowed                                         bool
	}{
		{"collector", "queued", "watch", "batch", "jobs", "", true},
		{"collector", "queued", "patch", "batch", "jobs", "", false},
		{"collector", "queued", "get", "", "secrets", "", false},
		{"collector", runcastNamespace, "update", "coordination.k8s.io", "leases", "runcast-scheduler", false},
		{"scheduler", "queued", "patch", "batch", "jobs", "", true},
		{"scheduler", "queued", "create", "batch", "jobs", "", false},
		{"scheduler", "queued", "delete", "batch", "jobs", "", false},
		{"scheduler", "queued", "delete", "", "pods", "", false},
		{"scheduler", "queued", "get", "", "secrets", "", false},
		{"scheduler", runcastNamespace, "get", "", "secrets", "", false},
		{"scheduler", runcastNamespace, "update", "coordination.k8s.io", "leases", "runcast-scheduler", true},
		{"scheduler", runcastNamespace, "update", "coordination.k8s.io", "leases", "another", false},
		{"scheduler", "kube-system", "update", "coordination.k8s.io", "leases", "runcast-scheduler", false},
		{"scheduler", "", "list", "runcast.dev", "jobrecords", "", false},
		{"predictor", "queued", "list", "batch", "jobs", "", false},
		{"predictor", "", "create", "runcast.dev", "models", "", false},
		{"train", "", "create", "runcast.dev", "models", "", true},
		{"train", "", "update", "runcast.dev", "models", "", false},
		{"recommender", "queued", "patch", "autoscaling.k8s.io", "verticalpodautoscalers", "", false},
		{"recommender", "queued", "patch", "batch", "cronjobs", "", false},
		{"predictor", runcastNamespace, "get", "", "secrets", "", false},
		{"train", "queued", "list", "", "pods", "", false},
	} {
		review, err := i.Client().AuthorizationV1().SubjectAccessReviews().Create(i.ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + runcastNamespace + ":runcast-" + tt.account, Groups: []string{"system:serviceaccounts", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: tt.namespace, Verb: tt.verb, Group: tt.group, Resource: tt.resource, Name: tt.name},
		}}, metav1.CreateOptions{})
		if err != nil {
			i.Fatal(err)
		}
		if review.Status.Allowed != tt.allowed {
			i.Errorf("%s may %s %s %s in %s: %t, want %t", tt.account, tt.verb, tt.resource, tt.name, tt.namespace, review.Status.Allowed, tt.allowed)
		}
	}
}

// unsizeable are VerticalPodAutoscalers that nothing can be recommended for, or not yet:
// the recommender, as its service account, says so in a condition.
func unsizeable(i *installation) {
	i.vpa.deployment("young")
	idle := i.vpa.deployment("idle")
	none := []byte(`{"spec":{"replicas":0}}`)
	if _, err := i.Client().AppsV1().Deployments("default").Patch(i.ctx, idle.Name, types.MergePatchType, none, metav1.PatchOptions{}); err != nil {
		i.Fatal(err)
	}
	i.addFleet("fleet", "app=young")
	i.vpa.create("apps/v1", "Deployment", "gone", "runcast")
	i.vpa.create("apps/v1", "Deployment", "idle", "runcast")
	i.vpa.create("apps/v1", "Deployment", "young", "runcast")
	i.vpa.create("test.runcast.dev/v1", "Fleet", "fleet", "runcast")
	for name, want := range map[string]string{
		"gone":  "ConfigUnsupported: Deployment default/gone does not exist",
		"idle":  "NoPodsMatched: no pods match the selector of Deployment default/idle: app=idle",
		"young": "LowConfidence: Prometheus knows no whole interval of its pods' use yet",
		"fleet": "LowConfidence: Prometheus knows no whole interval of its pods' use yet",
	} {
		i.poll("a condition of "+name, 90*time.Second, func() error {
			conditions, err := i.vpa.conditions(name)
			if err == nil && !slices.Contains(conditions, want) {
				err = fmt.Errorf("%q, want %q", conditions, want)
			}
			return err
		})
	}
}

// strangers call the components, and are refused, each in its own way.
func strangers(i *installation) {
	i.addUser("ann", "queued")
	ann := i.dialAs("ann", "scheduler-0")
	train := i.dialAs("runcast-train", "collector")
	scheduler := i.dialAs("runcast-scheduler", "collector")
	for _, tt := range []struct {
		what string
		call func() error
		want codes.Code
	}{
		{"a token for the API server", func() error {
			_, err := i.dialWith("kubernetes", i.token("runcast-train"), "collector").Models().Champion(i.ctx)
			return err
		}, codes.Unauthenticated},
		{"a forged token", func() error {
			_, err := i.dialWith("forged", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "collector").Models().Champion(i.ctx)
			return err
		}, codes.Unauthenticated},
		{"the scheduler publishes a model", func() error {
			return scheduler.Models().Publish(i.ctx, predictor.ModelInfo{Version: "m"}, strings.NewReader("model"))
		}, codes.PermissionDenied},
		{"the training pushes a record", func() error {
			_, err := train.History().Put(i.ctx, []predictor.JobRecord{{JobSpec: predictor.JobSpec{ID: "a"}, Finished: time.Now(), Outcome: predictor.Succeeded}})
			return err
		}, codes.PermissionDenied},
		{"the training looks at a namespace's jobs", func() error {
			_, err := i.dialAs("runcast-train", "scheduler-0").Queue().Waiting(i.ctx, "queued")
			return err
		}, codes.PermissionDenied},
		{"the scheduler's pod looks at its own queue, as helm's notes have it", func() error {
			_, err := i.dialAs("runcast-scheduler", "scheduler-0").Queue().Waiting(i.ctx, "")
			return err
		}, codes.OK},
		{"a user looks at her own jobs", func() error { _, err := ann.Queue().Waiting(i.ctx, "queued"); return err }, codes.OK},
		{"at another namespace's", func() error { _, err := ann.Queue().Waiting(i.ctx, "default"); return err }, codes.PermissionDenied},
		{"at everyone's", func() error { _, err := ann.Queue().Waiting(i.ctx, ""); return err }, codes.PermissionDenied},
		{"a user publishes a model", func() error {
			return i.dialAs("ann", "collector").Models().Publish(i.ctx, predictor.ModelInfo{Version: "m"}, strings.NewReader("model"))
		}, codes.PermissionDenied},
	} {
		if err := tt.call(); status.Code(err) != tt.want {
			i.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
	}
	if _, err := train.Models().Champion(i.ctx); err != nil {
		i.Errorf("the collector does not serve any more: %v", err)
	}
	if n, err := i.metric("collector", `runcast_rpc_requests_total{code="PermissionDenied",method="ModelService/PublishModel"}`); err != nil || n != 2 {
		i.Errorf("%g refused publications are counted, %v; want 2", n, err)
	}
	if log := i.log("collector"); !strings.Contains(log, "system:serviceaccount:"+runcastNamespace+":ann may not create models.runcast.dev") {
		i.Error("the collector's log does not name who was refused what")
	}
}

// addUser makes a service account that may view a namespace.
func (i *installation) addUser(name, namespace string) {
	i.Helper()
	if _, err := i.Client().CoreV1().ServiceAccounts(runcastNamespace).Create(i.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		i.Fatal(err)
	}
	if _, err := i.Client().RbacV1().RoleBindings(namespace).Create(i.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: runcastNamespace, Name: name}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}, metav1.CreateOptions{}); err != nil {
		i.Fatal(err)
	}
}

// conventionalMetrics holds the metrics of all processes to Prometheus' conventions.
func conventionalMetrics(i *installation) {
	for _, name := range i.processes {
		resp, err := http.Get("http://" + i.address[name+"/http"] + "/metrics")
		if err != nil {
			i.Fatal(err)
		}
		problems, err := promlint.New(resp.Body).Lint()
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			i.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "runcast_") {
				i.Errorf("%s: %s: %s", name, p.Metric, p.Text)
			}
		}
	}
}

// kept is what must be the same after an upgrade.
func (i *installation) kept() string {
	i.Helper()
	claim, err := i.Client().CoreV1().PersistentVolumeClaims(runcastNamespace).Get(i.ctx, "runcast-store", metav1.GetOptions{})
	if err != nil {
		i.Fatal(err)
	}
	secret, err := i.Client().CoreV1().Secrets(runcastNamespace).Get(i.ctx, "runcast-tls", metav1.GetOptions{})
	if err != nil {
		i.Fatal(err)
	}
	hook, err := i.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(i.ctx, "runcast", metav1.GetOptions{})
	if err != nil {
		i.Fatal(err)
	}
	if !bytes.Equal(hook.Webhooks[0].ClientConfig.CABundle, secret.Data["ca.crt"]) {
		i.Error("the API server trusts another authority than the Secret's")
	}
	return fmt.Sprintf("claim %s, certificate %x", claim.UID, secret.Data["tls.crt"])
}

func keeps(i *installation) {
	before, learned := i.kept(), i.learned()
	renewed := func(what string) {
		for _, component := range []string{"collector", "predictor"} {
			i.renew(component)
		}
		if diff := cmp.Diff(before, i.kept()); diff != "" {
			i.Errorf("%s (-before +after):\n%s", what, diff)
		}
		i.nothingLost(what, learned)
	}
	i.helm(append([]string{"upgrade", "runcast", chart}, i.values("predictor.replicas=3", "log.level=debug")...)...)
	renewed("upgraded")
	notes := i.helm(append([]string{"upgrade", "runcast", chart}, i.values("scheduler.webhook.enabled=false")...)...)
	if _, err := i.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(i.ctx, "runcast", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		i.Errorf("the webhook is left: %v", err)
	}
	if !strings.Contains(notes, "and have to be created with suspend: true, for there is no webhook") {
		i.Errorf("helm does not say what follows from having no webhook:\n%s", notes)
	}
	i.helm("rollback", "runcast", "1")
	renewed("rolled back")
}

// onePod changes to mode up, on the same file.
func onePod(i *installation) {
	for _, name := range []string{"recommender", "predictor", "collector"} {
		i.kill(name)
	}
	i.helm(append([]string{"upgrade", "runcast", chart}, i.values("mode=up")...)...)
	i.run("up", "up")
	i.addWebhook("up")
	i.history = i.dial("up").History()
	before, err := i.records()
	if err != nil || len(before) == 0 {
		i.Errorf("%d jobs in the history of the other mode, %v", len(before), err)
	}
	runs := few(rand.New(rand.NewPCG(3, 3)), "onepod", 2)
	i.submit(runs)
	i.await("the jobs to end", time.Minute, func() bool { return i.allOver("queued", runs) })
	i.checkReleases(runs)
	i.poll("their records", time.Minute, func() error { return i.haveRecords(runs, true) })
	i.kill("up")
	i.nothingForbidden()
}

func uninstalled(i *installation) {
	claims := i.Client().CoreV1().PersistentVolumeClaims(runcastNamespace)
	before, err := claims.Get(i.ctx, "runcast-store", metav1.GetOptions{})
	if err != nil {
		i.Fatal(err)
	}
	i.helm("uninstall", "runcast")
	if _, err := i.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(i.ctx, "runcast", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		i.Errorf("the webhook is left: %v", err)
	}
	i.helm(append([]string{"install", "runcast", chart}, i.values()...)...)
	if after, err := claims.Get(i.ctx, "runcast-store", metav1.GetOptions{}); err != nil || after.UID != before.UID {
		i.Errorf("the store is not the one from before: %v", err)
	}
}

// run starts the container of a component's pod as a process and waits until it is ready.
func (i *installation) run(name, component string) {
	i.Helper()
	ports, err := cluster.FreePorts("grpc", "http", "webhook")
	if err != nil {
		i.Fatal(err)
	}
	for port, n := range ports {
		i.address[name+"/"+port] = fmt.Sprintf("127.0.0.1:%d", n)
	}
	i.address[name] = i.address[name+"/grpc"]
	i.processes = append(i.processes, name)
	cmd := i.command(i.ctx, name, component)
	if err := i.Add(i.ctx, name, cmd.Path, cmd.Args[1:], "http://"+i.address[name+"/http"]+"/readyz"); err != nil {
		i.Fatal(err)
	}
	if err := i.Scrape(runcastNamespace, name, i.address[name+"/http"]); err != nil {
		i.Fatal(err)
	}
}

// renew puts a pod of the present release in the place of a component's.
func (i *installation) renew(component string) {
	i.Helper()
	i.kill(component)
	i.mountAll(component, component, i.pod(component))
	i.restart(component)
}

// command is what the container of a component's pod runs, its files in a folder here
// instead of /, its peers on loopback.
func (i *installation) command(ctx context.Context, name, component string) *exec.Cmd {
	i.Helper()
	pod := i.pod(component)
	writable := i.mountAll(name, component, pod)
	var args []string
	for _, arg := range pod.Spec.Containers[0].Args {
		for _, dir := range []string{"/etc/runcast", "/var/lib/runcast", "/var/cache/runcast"} {
			arg = strings.ReplaceAll(arg, "="+dir, "="+filepath.Join(i.Dir, "root-"+name)+dir)
		}
		args = append(args, i.onLoopback(arg))
	}
	return i.contained(ctx, writable, args)
}

// contained is a command of runcast that can write to those folders only, as in a
// container with a read-only root. It takes root to arrange that: without it, the command
// runs as it is.
func (i *installation) contained(ctx context.Context, writable, args []string) *exec.Cmd {
	if os.Geteuid() != 0 {
		return exec.CommandContext(ctx, i.binary, args...)
	}
	const script = `
while read -r _ dir _; do mount -o remount,bind,ro "$dir" 2>&-; done </proc/self/mounts
[ ! -w . ] || exit
while [ "$1" != -- ]; do mount --bind "$1" "$1" && mount -o remount,bind,rw "$1" || exit; shift; done
shift
exec "$@"`
	all := slices.Concat([]string{"--mount", "sh", "-c", script, "sh"}, writable, []string{"--", i.binary}, args)
	return exec.CommandContext(ctx, "unshare", all...)
}

// mountAll puts what the volumes of a pod hold into folders, and returns those that the
// container may write to.
func (i *installation) mountAll(name, component string, pod *corev1.Pod) (writable []string) {
	i.Helper()
	for _, v := range pod.Spec.Volumes {
		for _, m := range pod.Spec.Containers[0].VolumeMounts {
			if m.Name != v.Name {
				continue
			}
			dir := i.mount(name, component, v, filepath.Join(i.Dir, "root-"+name, m.MountPath))
			if !m.ReadOnly {
				writable = append(writable, dir)
			}
		}
	}
	return writable
}

// pod is what the workload of a component would make.
func (i *installation) pod(component string) *corev1.Pod {
	i.Helper()
	name, apps := "runcast-"+component, i.Client().AppsV1()
	var template corev1.PodTemplateSpec
	switch component {
	case "train":
		cron, err := i.Client().BatchV1().CronJobs(runcastNamespace).Get(i.ctx, name, metav1.GetOptions{})
		if err != nil {
			i.Fatal(err)
		}
		template = cron.Spec.JobTemplate.Spec.Template
	case "collector", "up":
		set, err := apps.StatefulSets(runcastNamespace).Get(i.ctx, name, metav1.GetOptions{})
		if err != nil {
			i.Fatal(err)
		}
		template = set.Spec.Template
	default:
		deployment, err := apps.Deployments(runcastNamespace).Get(i.ctx, name, metav1.GetOptions{})
		if err != nil {
			i.Fatal(err)
		}
		template = deployment.Spec.Template
	}
	return &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
}

// mount puts what a volume holds into a folder, of a claim into one for all of its pods,
// and returns where it is.
func (i *installation) mount(name, component string, v corev1.Volume, dir string) string {
	i.Helper()
	content := map[string][]byte{}
	switch {
	case v.PersistentVolumeClaim != nil:
		dir = filepath.Join(i.Dir, v.PersistentVolumeClaim.ClaimName)
	case v.Projected != nil:
		for _, source := range v.Projected.Sources {
			content[source.ServiceAccountToken.Path] = []byte(i.token("runcast-"+component, source.ServiceAccountToken.Audience))
		}
	case v.Secret != nil:
		secret, err := i.Client().CoreV1().Secrets(runcastNamespace).Get(i.ctx, v.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			i.Fatal(err)
		}
		content = secret.Data
	case v.ConfigMap != nil:
		config, err := i.Client().CoreV1().ConfigMaps(runcastNamespace).Get(i.ctx, v.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			i.Fatal(err)
		}
		for file, text := range config.Data {
			content[file] = i.localConfig(name, component, text)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		i.Fatal(err)
	}
	for file, text := range content {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			i.Fatal(err)
		}
	}
	return dir
}

// localConfig is runcast.yaml as it is for a process on this machine.
func (i *installation) localConfig(name, component, text string) []byte {
	i.Helper()
	root := filepath.Join(i.Dir, "root-"+name)
	text = strings.ReplaceAll(text, "/var/lib/runcast", filepath.Join(i.Dir, "runcast-store"))
	for _, dir := range []string{"/etc/runcast", "/var/cache/runcast"} {
		text = strings.ReplaceAll(text, " "+dir, " "+root+dir)
	}
	var config map[string]any
	if err := yaml.Unmarshal([]byte(i.onLoopback(text)), &config); err != nil {
		i.Fatal(err)
	}
	config["kubernetes"] = map[string]any{"kubeconfig": i.kubeconfigOf("runcast-" + component)}
	config["metrics_address"] = i.address[name+"/http"]
	config["server"].(map[string]any)["listen"] = i.address[name]
	config["scheduler"].(map[string]any)["webhook"].(map[string]any)["listen"] = i.address[name+"/webhook"]
	out, err := yaml.Marshal(config)
	if err != nil {
		i.Fatal(err)
	}
	return out
}

// onLoopback replaces the Services by the processes behind them.
func (i *installation) onLoopback(text string) string {
	for _, component := range []string{"collector", "predictor"} {
		if address, ok := i.address[component]; ok {
			text = strings.ReplaceAll(text, fmt.Sprintf("runcast-%s.%s.svc:7465", component, runcastNamespace), address)
		}
	}
	return text
}

// token authenticates a service account, to the API server or to another audience.
func (i *installation) token(account string, audience ...string) string {
	i.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audience, ExpirationSeconds: new(int64(3600))}}
	token, err := i.Client().CoreV1().ServiceAccounts(runcastNamespace).CreateToken(i.ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		i.Fatal(err)
	}
	i.secrets = append(i.secrets, token.Status.Token)
	return token.Status.Token
}

// kubeconfigOf is that of a service account.
func (i *installation) kubeconfigOf(account string) string {
	i.Helper()
	admin, err := os.ReadFile(i.Kubeconfig())
	if err != nil {
		i.Fatal(err)
	}
	file := filepath.Join(i.Dir, account+".kubeconfig")
	if err := os.WriteFile(file, bytes.ReplaceAll(admin, []byte(cluster.AdminToken), []byte(i.token(account))), 0o600); err != nil {
		i.Fatal(err)
	}
	return file
}

// addWebhook has the API server call a process as it would the Service that there is no
// network for: the webhook is the chart's, and the authority that it trusts.
func (i *installation) addWebhook(name string) {
	i.Helper()
	hooks := i.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	hook, err := hooks.Get(i.ctx, "runcast", metav1.GetOptions{})
	if err != nil {
		i.Fatal(err)
	}
	url := "https://" + i.address[name+"/webhook"]
	hook.ObjectMeta = metav1.ObjectMeta{Name: name}
	hook.Webhooks[0].ClientConfig = admissionv1.WebhookClientConfig{URL: &url, CABundle: hook.Webhooks[0].ClientConfig.CABundle}
	if _, err := hooks.Create(i.ctx, hook, metav1.CreateOptions{}); err != nil {
		i.Fatal(err)
	}
	// The API server hears of it a little later.
	job := few(rand.New(rand.NewPCG(0, 0)), "probe", 1)[0].job("queued", "queued", "gpu")
	job.Spec.Suspend = nil
	i.poll("the webhook to be called", 30*time.Second, func() error {
		made, err := i.Client().BatchV1().Jobs("queued").Create(i.ctx, job, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && !suspended(made) {
			err = errors.New("a queued Job is not suspended")
		}
		return err
	})
}

// dialAs connects to a process as a user does with a token of a service account.
func (i *installation) dialAs(account, name string) *rpc.Client {
	i.Helper()
	return i.dialWith(account, i.token(account, "runcast"), name)
}

// dialWith connects with a token, kept in a file under the caller's name.
func (i *installation) dialWith(caller, token, name string) *rpc.Client {
	i.Helper()
	file := filepath.Join(i.Dir, caller+".token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		i.Fatal(err)
	}
	c, err := rpc.Dial(rpc.ClientConfig{Target: i.address[name], Timeout: 10 * time.Second, TokenFile: file,
		TLS: &rpc.ClientTLS{CAFile: filepath.Join(i.Dir, "root-"+name, "etc/runcast/tls/ca.crt")}}, slog.New(slog.DiscardHandler))
	if err != nil {
		i.Fatal(err)
	}
	i.Cleanup(func() { c.Close() })
	return c
}

// log is what a process has logged.
func (i *installation) log(name string) string {
	i.Helper()
	log, err := os.ReadFile(filepath.Join(i.Dir, name+".log"))
	if err != nil {
		i.Fatal(err)
	}
	return string(log)
}

// nothingForbidden reads from the API server's metrics that it refused nobody, and in the
// logs that no process was, nor told a secret.
func (i *installation) nothingForbidden() {
	i.Helper()
	metrics, err := i.Client().Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(i.ctx)
	if err != nil {
		i.Fatal(err)
	}
	for line := range strings.SplitSeq(string(metrics), "\n") {
		if strings.HasPrefix(line, "apiserver_request_total{") && strings.Contains(line, `code="403"`) {
			i.Errorf("refused: %s", line)
		}
	}
	for _, name := range i.processes {
		log := i.log(name)
		if slices.ContainsFunc(append(i.secrets, "PRIVATE KEY"), func(s string) bool { return strings.Contains(log, s) }) {
			i.Errorf("%s has logged a secret", name)
		}
		for line := range strings.Lines(log) {
			// Whom it refuses itself it logs as msg=rpc.
			if strings.Contains(strings.ToLower(line), "forbidden") && !strings.Contains(line, `"msg":"rpc"`) {
				i.Errorf("%s was forbidden something: %s", name, line)
			}
		}
	}
}
