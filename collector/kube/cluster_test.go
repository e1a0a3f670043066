package kube_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

// A cluster is a fake API server, changed by the lines of a story: what users, the
// Job controller and kubelets do to its objects. Each line is a verb, the name of
// an object, and settings NAME=VALUE.
//
//	class N VALUE
//	job J [parallelism=N] [completions=N] [deadline=S] [class=C] [memory=Q] [gpus=N] [gpu=PRODUCT] [suspend=true] [KEY=VALUE: an annotation]
//	annotate J KEY=VALUE                  begin J        the Job controller sets startTime
//	suspend J, resume J                   complete J     fail J REASON
//	terminate J                           a deletion in the foreground begins
//	delete J
//	pod J P [node=N]                      the Job controller makes a pod
//	run P                                 its kubelet takes it and starts its container
//	restart P CODE [REASON]               the container ends and starts again
//	exit P CODE [REASON]                  the container ends, and the pod with it
//	evict P                               the node drops it
//	vanish P                              it is deleted
type cluster struct {
	t      *testing.T
	client *fake.Clientset
}

const namespace = "ml"

func newCluster(t *testing.T) *cluster { return &cluster{t, fake.NewClientset()} }

func (c *cluster) do(line string) {
	c.t.Helper()
	words := strings.Fields(line)
	if len(words) < 2 {
		c.t.Fatalf("%q: expected a verb and a name", line)
	}
	verb, name, rest := words[0], words[1], words[2:]
	settings := map[string]string{}
	for _, w := range rest {
		if key, value, ok := strings.Cut(w, "="); ok {
			settings[key] = value
		}
	}
	switch verb {
	case "class":
		c.create(&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: int32(c.number(rest[0]))})
	case "job":
		c.create(c.newJob(name, settings))
	case "pod":
		c.create(c.newPod(name, rest[0], settings["node"]))
	case "run", "restart", "exit", "evict":
		c.changePod(name, verb, rest)
	case "vanish":
		c.must(c.client.CoreV1().Pods(namespace).Delete(context.Background(), name, metav1.DeleteOptions{}))
	case "delete":
		c.must(c.client.BatchV1().Jobs(namespace).Delete(context.Background(), name, metav1.DeleteOptions{}))
	default:
		c.changeJob(name, verb, rest, settings)
	}
}

func now() metav1.Time { return metav1.NewTime(time.Now().Truncate(time.Second)) }

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) number(s string) int64 {
	c.t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	c.must(err)
	return n
}

func (c *cluster) create(o metav1.Object) {
	c.t.Helper()
	ctx, opts := context.Background(), metav1.CreateOptions{}
	o.SetCreationTimestamp(now())
	o.SetUID(types.UID(fmt.Sprintf("%s-%d", o.GetName(), time.Now().Unix())))
	var err error
	switch o := o.(type) {
	case *batchv1.Job:
		_, err = c.client.BatchV1().Jobs(namespace).Create(ctx, o, opts)
	case *corev1.Pod:
		_, err = c.client.CoreV1().Pods(namespace).Create(ctx, o, opts)
	case *schedulingv1.PriorityClass:
		_, err = c.client.SchedulingV1().PriorityClasses().Create(ctx, o, opts)
	}
	c.must(err)
}

func (c *cluster) newJob(name string, settings map[string]string) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{}}}
	requests := corev1.ResourceList{}
	for key, value := range settings {
		switch key {
		case "parallelism":
			j.Spec.Parallelism = new(int32(c.number(value)))
		case "completions":
			j.Spec.Completions = new(int32(c.number(value)))
		case "deadline":
			j.Spec.ActiveDeadlineSeconds = new(c.number(value))
		case "class":
			j.Spec.Template.Spec.PriorityClassName = value
		case "memory":
			requests["memory"] = resource.MustParse(value)
		case "gpus":
			requests["nvidia.com/gpu"] = resource.MustParse(value)
		case "gpu":
			j.Spec.Template.Spec.NodeSelector = map[string]string{"nvidia.com/gpu.product": value}
		case "suspend":
			j.Spec.Suspend = new(true)
		default:
			j.Annotations[key] = value
		}
	}
	j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "train:1", Resources: corev1.ResourceRequirements{Requests: requests}}}
	return j
}

func (c *cluster) newPod(job, name, node string) *corev1.Pod {
	j, err := c.client.BatchV1().Jobs(namespace).Get(context.Background(), job, metav1.GetOptions{})
	c.must(err)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{batchv1.JobNameLabel: job},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(j, batchv1.SchemeGroupVersion.WithKind("Job"))},
		},
		Spec: corev1.PodSpec{
			NodeName: node, Priority: new(int32(5)),
			Containers: []corev1.Container{{Name: "main", Image: "train:1"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
}

func (c *cluster) changeJob(name, verb string, rest []string, settings map[string]string) {
	c.t.Helper()
	jobs := c.client.BatchV1().Jobs(namespace)
	j, err := jobs.Get(context.Background(), name, metav1.GetOptions{})
	c.must(err)
	condition := func(kind batchv1.JobConditionType, reason string) {
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: now(),
		})
	}
	switch verb {
	case "annotate":
		for key, value := range settings {
			j.Annotations[key] = value
		}
	case "begin":
		j.Status.StartTime = new(now())
	case "suspend":
		j.Spec.Suspend = new(true)
	case "resume":
		j.Spec.Suspend = new(false)
		j.Status.StartTime = new(now())
	case "complete":
		j.Status.CompletionTime = new(now())
		condition(batchv1.JobSuccessCriteriaMet, batchv1.JobReasonCompletionsReached)
		condition(batchv1.JobComplete, batchv1.JobReasonCompletionsReached)
	case "fail":
		condition(batchv1.JobFailureTarget, rest[0])
		condition(batchv1.JobFailed, rest[0])
	case "terminate":
		j.DeletionTimestamp = new(now())
	default:
		c.t.Fatalf("unknown verb %q", verb)
	}
	_, err = jobs.Update(context.Background(), j, metav1.UpdateOptions{})
	c.must(err)
}

func (c *cluster) changePod(name, verb string, rest []string) {
	c.t.Helper()
	pods := c.client.CoreV1().Pods(namespace)
	p, err := pods.Get(context.Background(), name, metav1.GetOptions{})
	c.must(err)
	s := &p.Status
	ended := func() corev1.ContainerState {
		t := &corev1.ContainerStateTerminated{ExitCode: int32(c.number(rest[0])), FinishedAt: now(), StartedAt: now()}
		t.ContainerID = fmt.Sprintf("containerd://%s-%d", name, s.ContainerStatuses[0].RestartCount)
		if len(rest) > 1 {
			t.Reason = rest[1]
		}
		return corev1.ContainerState{Terminated: t}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now()}}
	switch verb {
	case "run":
		s.Phase, s.StartTime = corev1.PodRunning, new(now())
		s.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: running}}
	case "restart":
		s.ContainerStatuses[0].LastTerminationState = ended()
		s.ContainerStatuses[0].State = running
		s.ContainerStatuses[0].RestartCount++
	case "exit":
		s.ContainerStatuses[0].State = ended()
		s.Phase = corev1.PodFailed
		if rest[0] == "0" {
			s.Phase = corev1.PodSucceeded
		}
	case "evict":
		s.Phase, s.Reason, s.ContainerStatuses = corev1.PodFailed, "Evicted", nil
		s.Conditions = []corev1.PodCondition{{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "TerminationByKubelet", LastTransitionTime: now(),
		}}
	}
	_, err = pods.Update(context.Background(), p, metav1.UpdateOptions{})
	c.must(err)
}
