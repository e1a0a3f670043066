//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/recommender"
	"github.com/runcast/runcast/test/cluster"
)

// TestVPA plays a CronJob and a Deployment whose pods ask for too much beside the
// Vertical Pod Autoscaler's own recommender, updater and admission controller: Runcast
// learns from the runs of one and the use of the other, and the next pods get what it
// recommends. VPA's recommender leaves Runcast's objects alone, and Runcast its.
// Without news nothing is written.
func TestVPA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.AddNodes(w.ctx, cluster.Node{Name: "n1", CPUs: 64, Memory: "256Gi"}); err != nil {
		t.Fatal(err)
	}
	v := newAutoscaler(w)
	v.startPrograms()
	w.start("collector", "collector", w.collectorConfig("runcast.bolt"))
	w.history = w.dial("collector").History()

	web := v.deployment("web") // asks for too much as well
	nightly := v.cronJob("nightly")
	v.cronJob("other")
	runs := map[string]float64{}
	for i := range 12 {
		runs[fmt.Sprintf("nightly-%d", i)] = float64(1+i%3) / 4
	}
	v.run(nightly, runs)
	w.poll("records of all runs with their usage", time.Minute, func() error {
		all, err := w.records()
		if err != nil {
			return err
		}
		for name := range runs {
			if r := all["default/"+name]; len(r) != 1 || r[0].PeakMemory == 0 || r[0].PeakCPUCores == 0 {
				return fmt.Errorf("%s: %d records, or without usage", name, len(r))
			}
		}
		return nil
	})
	w.runcast(&struct{}{}, "train", "--server", w.address["collector"])
	w.start("predictor", "predictor", fmt.Sprintf("client: {collector: %q}\n", w.address["collector"]))
	v.create("batch/v1", "CronJob", "nightly", "runcast")
	v.create("batch/v1", "CronJob", "other", "")
	w.start("recommender", "recommender", fmt.Sprintf("client: {predictor: %q}\nprometheus: {url: %q, scrape_interval: 2s}\nrecommender: {interval: 1s}\n", w.address["predictor"], w.PrometheusURL()))

	var recommended corev1.ResourceList
	w.poll("a recommendation", 20*time.Second, func() (err error) {
		recommended, err = v.recommended("nightly")
		return err
	})
	memory, cpu := predictor.Bytes(recommended.Memory().Value()), recommended.Cpu().AsApproximateFloat64()
	t.Logf("recommended %v and %.2g cores; the runs' peaks are %v and 0.25 to 0.75 cores, their requests 8 GiB and 4 cores", memory, cpu, peak)
	if memory < peak || memory > peak*5/4 || cpu < 0.5 || cpu > 1 {
		t.Errorf("recommended %v and %g cores", memory, cpu)
	}

	patches, rounds := v.counted("patches_total"), v.counted("rounds_total")
	w.poll("more rounds", 20*time.Second, func() error {
		if more := v.counted("rounds_total") - rounds; more < 3 {
			return fmt.Errorf("%g rounds", more)
		}
		return nil
	})
	if more := v.counted("patches_total") - patches; more != 0 {
		t.Errorf("%g patches without news", more)
	}

	w.poll("VPA's webhook", 20*time.Second, func() error {
		hooks, err := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().List(w.ctx, metav1.ListOptions{})
		if err == nil && len(hooks.Items) == 0 {
			err = errors.New("not registered")
		}
		return err
	})
	v.run(nightly, map[string]float64{"nightly-next": 0.5})
	w.await("the next run to end", 30*time.Second, func() bool { _, ok := w.ended["default/nightly-next"]; return ok })
	for _, p := range v.podsOf("nightly-next") {
		got := p.Spec.Containers[0].Resources.Requests
		if !got.Memory().Equal(*recommended.Memory()) || !got.Cpu().Equal(*recommended.Cpu()) {
			t.Errorf("pod %s asks for %v, recommended was %v", p.Name, got, recommended)
		}
		if p.Status.Phase != corev1.PodSucceeded {
			t.Errorf("pod %s: %s", p.Name, p.Status.Phase)
		}
	}

	v.playService(web)
	for name, want := range map[string][]string{"nightly": {"runcast"}, "other": {"vpa-recommender"}, "web": {"runcast"}} {
		if got := v.writers(name); !slices.Equal(got, want) {
			t.Errorf("the status of %s was written by %q, want %q", name, got, want)
		}
	}
}

// playService waits for the first whole interval of usage of what keeps running, and sees
// that its next pods get what is recommended of it.
func (v *autoscaler) playService(d *appsv1.Deployment) {
	v.Helper()
	v.create("apps/v1", "Deployment", d.Name, "runcast")
	var recommended corev1.ResourceList
	v.poll("a recommendation of a service", 2*recommender.UsageInterval+90*time.Second, func() (err error) {
		recommended, err = v.recommended(d.Name)
		return err
	})
	memory, cpu := predictor.Bytes(recommended.Memory().Value()), recommended.Cpu().AsApproximateFloat64()
	v.Logf("recommended %v and %.2g cores; a pod uses %v and %g cores, its requests are 8 GiB and 4 cores", memory, cpu, peak, serviceCores)
	if memory < peak || memory > peak*5/4 || cpu < serviceCores || cpu > serviceCores*5/4 {
		v.Errorf("recommended %v and %g cores", memory, cpu)
	}
	pods, selector := v.Client().CoreV1().Pods(d.Namespace), metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)}
	began := time.Now()
	if err := pods.DeleteCollection(v.ctx, metav1.DeleteOptions{}, selector); err != nil {
		v.Fatal(err)
	}
	v.poll("pods of the size recommended", 30*time.Second, func() error {
		all, err := pods.List(v.ctx, selector)
		if err != nil {
			return err
		}
		fit := 0
		for _, p := range all.Items {
			got := p.Spec.Containers[0].Resources.Requests
			if !p.CreationTimestamp.Time.Before(began.Truncate(time.Second)) && got.Memory().Equal(*recommended.Memory()) && got.Cpu().Equal(*recommended.Cpu()) {
				fit++
			}
		}
		if fit != int(*d.Spec.Replicas) {
			return fmt.Errorf("%d of %d", fit, len(all.Items))
		}
		return nil
	})
}

// serviceCores are what a pod of the service uses.
const serviceCores = 0.5

// deployment creates one of two pods, which ask for more than they need.
func (v *autoscaler) deployment(name string) *appsv1.Deployment {
	v.Helper()
	r := run{kind: &kind{name: name, outcome: predictor.Succeeded}, name: name, memory: peak, cores: serviceCores}
	pod := r.job("default", "", "").Spec.Template
	delete(pod.Annotations, "test.runcast.dev/runtime") // it keeps running
	pod.Labels, pod.Spec.RestartPolicy = map[string]string{"app": name}, corev1.RestartPolicyAlways
	pod.Spec.Containers[0].Resources = tooMuch()
	d, err := v.Client().AppsV1().Deployments("default").Create(v.ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.DeploymentSpec{Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: pod},
	}, metav1.CreateOptions{})
	if err != nil {
		v.Fatal(err)
	}
	return d
}

// tooMuch is what pods ask for here.
func tooMuch() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"),
	}}
}

// peak is the memory that a run needs.
const peak = 3 * predictor.GiB

// An autoscaler is the VPA, beside the world.
type autoscaler struct {
	*world
	objects dynamic.ResourceInterface
}

// newAutoscaler adds the VPA's types to the cluster.
func newAutoscaler(w *world) *autoscaler {
	w.Helper()
	client, err := dynamic.NewForConfig(w.RESTConfig(cluster.AdminToken))
	if err != nil {
		w.Fatal(err)
	}
	v := &autoscaler{world: w, objects: client.Resource(schema.GroupVersionResource{Group: "autoscaling.k8s.io", Version: "v1", Resource: "verticalpodautoscalers"}).Namespace("default")}
	module, err := exec.CommandContext(v.ctx, "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/autoscaler/vertical-pod-autoscaler").Output()
	if err != nil {
		v.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "deploy", "vpa-v1-crd-gen.yaml"))
	if err != nil {
		v.Fatal(err)
	}
	v.addTypes(string(text))
	v.poll("the VPA's types", 20*time.Second, func() error {
		_, err := v.objects.List(v.ctx, metav1.ListOptions{})
		return err
	})
	return v
}

// startPrograms starts VPA's own recommender, updater and admission controller.
func (v *autoscaler) startPrograms() {
	v.Helper()
	binaries, err := cluster.Tools(v.ctx, slog.New(slog.DiscardHandler), "vpa")
	if err != nil {
		v.Fatal(err)
	}
	ports, err := cluster.FreePorts("webhook", "vpa-admission-controller", "vpa-recommender", "vpa-updater")
	if err != nil {
		v.Fatal(err)
	}
	cert, key := v.certificate()
	for name, flags := range map[string][]string{
		"vpa-admission-controller": {
			"--register-by-url", "--webhook-address=https://127.0.0.1", fmt.Sprintf("--webhook-port=%d", ports["webhook"]), fmt.Sprintf("--port=%d", ports["webhook"]),
			"--client-ca-file=" + cert, "--tls-cert-file=" + cert, "--tls-private-key=" + key,
		},
		"vpa-recommender": {"--recommender-interval=2s"},
		"vpa-updater":     {"--updater-interval=5s", "--min-replicas=1"},
	} {
		address := fmt.Sprintf("127.0.0.1:%d", ports[name])
		args := append([]string{"--kubeconfig=" + v.Kubeconfig(), "--address=" + address}, flags...)
		if err := v.Add(v.ctx, name, binaries[name], args, "http://"+address+"/metrics"); err != nil {
			v.Fatal(err)
		}
	}
}

// certificate makes one for loopback, signed by itself.
func (v *autoscaler) certificate() (certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		v.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		v.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		v.Fatal(err)
	}
	certFile, keyFile = filepath.Join(v.Dir, "vpa.crt"), filepath.Join(v.Dir, "vpa.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			v.Fatal(err)
		}
	}
	return certFile, keyFile
}

// cronJob creates one that never runs by itself, and asks for more than it needs.
func (v *autoscaler) cronJob(name string) *batchv1.CronJob {
	v.Helper()
	r := run{kind: &kind{name: name, outcome: predictor.Succeeded}, name: name, runtime: 8 * time.Second, memory: peak}
	job := r.job("default", "", "")
	pod := &job.Spec.Template
	pod.Labels = map[string]string{"app": name}
	pod.Spec.Containers[0].Resources = tooMuch()
	keep, suspended := int32(100), true
	c, err := v.Client().BatchV1().CronJobs("default").Create(v.ctx, &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.CronJobSpec{
			Schedule: "0 0 1 1 *", Suspend: &suspended, SuccessfulJobsHistoryLimit: &keep,
			JobTemplate: batchv1.JobTemplateSpec{Spec: job.Spec},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		v.Fatal(err)
	}
	return c
}

// run creates runs of a CronJob by their names and the cores that they use, as
// `kubectl create job --from=cronjob/NAME` does. They are suspended first, so that
// VPA knows the Jobs before their pods.
func (v *autoscaler) run(c *batchv1.CronJob, cores map[string]float64) {
	v.Helper()
	jobs := v.Client().BatchV1().Jobs(c.Namespace)
	suspended := true
	for name, n := range cores {
		job := &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
			},
			Spec: *c.Spec.JobTemplate.Spec.DeepCopy(),
		}
		job.Spec.Suspend = &suspended
		job.Spec.Template.Annotations["test.runcast.dev/cpu-cores"] = strconv.FormatFloat(n, 'g', -1, 64)
		if _, err := jobs.Create(v.ctx, job, metav1.CreateOptions{}); err != nil {
			v.Fatal(err)
		}
	}
	time.Sleep(time.Second)
	for name := range cores {
		if _, err := jobs.Patch(v.ctx, name, types.MergePatchType, []byte(`{"spec":{"suspend":false}}`), metav1.PatchOptions{}); err != nil {
			v.Fatal(err)
		}
	}
}

func (v *autoscaler) podsOf(job string) []corev1.Pod {
	v.Helper()
	pods, err := v.Client().CoreV1().Pods("default").List(v.ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		v.Fatal(err)
	}
	if len(pods.Items) != 1 {
		v.Errorf("job %s has %d pods", job, len(pods.Items))
	}
	return pods.Items
}

// create creates the VerticalPodAutoscaler of an object, by its name, of the recommender
// named, or of the default one.
func (v *autoscaler) create(apiVersion, kind, name, by string) {
	v.Helper()
	spec := map[string]any{
		"targetRef":    map[string]any{"apiVersion": apiVersion, "kind": kind, "name": name},
		"updatePolicy": map[string]any{"updateMode": "Initial"},
	}
	if by != "" {
		spec["recommenders"] = []any{map[string]any{"name": by}}
	}
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": map[string]any{"name": name}, "spec": spec,
	}}
	if _, err := v.objects.Create(v.ctx, o, metav1.CreateOptions{}); err != nil {
		v.Fatal(err)
	}
}

// A vpaStatus is what a recommender says.
type vpaStatus struct {
	Recommendation struct {
		ContainerRecommendations []struct{ Target corev1.ResourceList }
	}
	Conditions []metav1.Condition
}

func (v *autoscaler) status(name string) (s vpaStatus, err error) {
	o, err := v.objects.Get(v.ctx, name, metav1.GetOptions{})
	if err != nil {
		return s, err
	}
	text, err := o.MarshalJSON()
	if err != nil {
		return s, err
	}
	err = json.Unmarshal(text, &struct{ Status *vpaStatus }{&s})
	return s, err
}

// recommended is the target of the one container; the error says what there is instead.
func (v *autoscaler) recommended(name string) (corev1.ResourceList, error) {
	s, err := v.status(name)
	if err == nil && len(s.Recommendation.ContainerRecommendations) != 1 {
		err = fmt.Errorf("conditions %v", s.Conditions)
	}
	if err != nil {
		return nil, err
	}
	return s.Recommendation.ContainerRecommendations[0].Target, nil
}

// conditions are those that hold, with their messages.
func (v *autoscaler) conditions(name string) (all []string, err error) {
	s, err := v.status(name)
	for _, c := range s.Conditions {
		if c.Status == metav1.ConditionTrue {
			all = append(all, c.Type+": "+c.Message)
		}
	}
	return all, err
}

// writers are the field managers that have written an object's status.
func (v *autoscaler) writers(name string) (names []string) {
	v.Helper()
	o, err := v.objects.Get(v.ctx, name, metav1.GetOptions{})
	if err != nil {
		v.Fatal(err)
	}
	for _, f := range o.GetManagedFields() {
		if f.Subresource == "status" {
			names = append(names, f.Manager)
		}
	}
	slices.Sort(names)
	return names
}

// counted is the value of one of the recommender's metrics.
func (v *autoscaler) counted(name string) float64 {
	v.Helper()
	x, err := v.metric("recommender", "runcast_recommender_"+name)
	if err != nil {
		v.Fatal(err)
	}
	return x
}
