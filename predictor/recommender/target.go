package recommender

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/runcast/runcast/predictor/jobspec"
)

// A target is what a VerticalPodAutoscaler aims at.
type target struct {
	namespace, kind, name string
	controller            controller // of its pods, by which their use is known

	template *corev1.PodTemplateSpec
	selector labels.Selector // of its pods
	job      *batchv1.Job    // the run to size; nil of what keeps running
}

// A controller of pods.
type controller struct{ kind, name string }

// supported tells a user what can be aimed at.
const supported = "a CronJob, Job, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, or a kind with a scale subresource that tells a selector"

// find gets what a VerticalPodAutoscaler aims at. The problem, if there is one, is
// the user's to mend; an error means that the API server did not answer.
func find(ctx context.Context, client kubernetes.Interface, objects dynamic.Interface, vpa *vpav1.VerticalPodAutoscaler, now time.Time) (*target, *problem, error) {
	ref := vpa.Spec.TargetRef
	if ref == nil {
		return nil, unsupported("NoTarget", "spec.targetRef is missing: expected "+supported), nil
	}
	t := &target{namespace: vpa.Namespace, kind: ref.Kind, name: ref.Name, controller: controller{ref.Kind, ref.Name}}
	group, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return nil, unsupported("UnsupportedTarget", fmt.Sprintf("spec.targetRef.apiVersion %q: expected a group and a version", ref.APIVersion)), nil //nolint:nilerr // it is the user's to mend
	}
	owners, err := t.get(ctx, client, schema.GroupKind{Group: group.Group, Kind: ref.Kind})
	if err == nil && t.template == nil {
		err = t.scaled(ctx, client, objects, group.WithKind(ref.Kind))
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, unsupported("NoTarget", fmt.Sprintf("%s %s/%s does not exist", t.kind, t.namespace, t.name)), nil
	case err != nil:
		return nil, nil, err
	case t.template == nil:
		return nil, unsupported("UnsupportedTarget", fmt.Sprintf("spec.targetRef is a %s of %s: expected %s", ref.Kind, ref.APIVersion, supported)), nil
	}
	if owner := metav1.GetControllerOf(&metav1.ObjectMeta{OwnerReferences: owners}); owner != nil {
		return nil, unsupported("UnsupportedTarget", fmt.Sprintf("%s %s/%s is controlled by %s %s: aim at that", t.kind, t.namespace, t.name, owner.Kind, owner.Name)), nil
	}
	if t.kind == "CronJob" {
		t.job.CreationTimestamp = metav1.NewTime(now)
	}
	return t, nil, nil
}

// submitter is who the webhook has noted down as the one that submits the Jobs of a
// CronJob, by the last of them, if it is still there: "" if nobody knows, and the
// estimate is coarser then.
func submitter(ctx context.Context, client kubernetes.Interface, c *batchv1.CronJob) (string, error) {
	if c.Status.LastScheduleTime == nil {
		return "", nil
	}
	name := fmt.Sprintf("%s-%d", c.Name, c.Status.LastScheduleTime.Unix()/60) // so the CronJob controller calls them
	job, err := client.BatchV1().Jobs(c.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return job.Annotations[jobspec.AnnotationUser], nil
}

// scaled fills in a target of some other kind that has a scale subresource, whose
// selector tells its pods. They are taken to be like the newest, and their use is that
// of the newest's controller. Of a kind without one the template stays nil.
func (t *target) scaled(ctx context.Context, client kubernetes.Interface, objects dynamic.Interface, kind schema.GroupVersionKind) error {
	resource, err := scalable(client, kind)
	if err != nil || resource == "" {
		return err
	}
	scale, err := objects.Resource(kind.GroupVersion().WithResource(resource)).Namespace(t.namespace).Get(ctx, t.name, metav1.GetOptions{}, "scale")
	if err != nil {
		return err
	}
	text, _, err := unstructured.NestedString(scale.Object, "status", "selector")
	if err != nil || text == "" {
		return err
	}
	if t.selector, err = labels.Parse(text); err != nil {
		return fmt.Errorf("selector in the scale of %s %s/%s: %w", t.kind, t.namespace, t.name, err)
	}
	pods, err := client.CoreV1().Pods(t.namespace).List(ctx, metav1.ListOptions{LabelSelector: text})
	if err != nil {
		return err
	}
	t.template = &corev1.PodTemplateSpec{}
	if len(pods.Items) > 0 {
		newest := slices.MaxFunc(pods.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
		t.template.Spec = newest.Spec
		if owner := metav1.GetControllerOf(&newest); owner != nil {
			t.controller = controller{owner.Kind, owner.Name}
		}
	}
	return nil
}

// scalable is the resource of a kind if it has a scale subresource, else "".
func scalable(client kubernetes.Interface, kind schema.GroupVersionKind) (string, error) {
	list, err := client.Discovery().ServerResourcesForGroupVersion(kind.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	for _, r := range list.APIResources {
		if r.Kind == kind.Kind && slices.ContainsFunc(list.APIResources, func(s metav1.APIResource) bool { return s.Name == r.Name+"/scale" }) {
			return r.Name, nil
		}
	}
	return "", nil
}

// get fills in the target, and returns what owns it. Of an unknown kind the template
// stays nil.
func (t *target) get(ctx context.Context, client kubernetes.Interface, kind schema.GroupKind) ([]metav1.OwnerReference, error) {
	set := func(owners []metav1.OwnerReference, template *corev1.PodTemplateSpec, selector *metav1.LabelSelector, err error) ([]metav1.OwnerReference, error) {
		if err != nil {
			return nil, err
		}
		t.template = template
		t.selector, err = metav1.LabelSelectorAsSelector(selector)
		return owners, err
	}
	one := metav1.GetOptions{}
	switch kind {
	case batchv1.SchemeGroupVersion.WithKind("CronJob").GroupKind():
		o, err := client.BatchV1().CronJobs(t.namespace).Get(ctx, t.name, one)
		if err != nil {
			return nil, err
		}
		user, err := submitter(ctx, client, o)
		if err != nil {
			return nil, err
		}
		t.job = nextRun(o, user)
		return set(o.OwnerReferences, &t.job.Spec.Template, &metav1.LabelSelector{MatchLabels: t.job.Spec.Template.Labels}, nil)
	case batchv1.SchemeGroupVersion.WithKind("Job").GroupKind():
		o, err := client.BatchV1().Jobs(t.namespace).Get(ctx, t.name, one)
		if err != nil {
			return nil, err
		}
		t.job = o
		return set(o.OwnerReferences, &o.Spec.Template, o.Spec.Selector, nil)
	case appsv1.SchemeGroupVersion.WithKind("Deployment").GroupKind():
		o, err := client.AppsV1().Deployments(t.namespace).Get(ctx, t.name, one)
		return set(o.OwnerReferences, &o.Spec.Template, o.Spec.Selector, err)
	case appsv1.SchemeGroupVersion.WithKind("StatefulSet").GroupKind():
		o, err := client.AppsV1().StatefulSets(t.namespace).Get(ctx, t.name, one)
		return set(o.OwnerReferences, &o.Spec.Template, o.Spec.Selector, err)
	case appsv1.SchemeGroupVersion.WithKind("DaemonSet").GroupKind():
		o, err := client.AppsV1().DaemonSets(t.namespace).Get(ctx, t.name, one)
		return set(o.OwnerReferences, &o.Spec.Template, o.Spec.Selector, err)
	case appsv1.SchemeGroupVersion.WithKind("ReplicaSet").GroupKind():
		o, err := client.AppsV1().ReplicaSets(t.namespace).Get(ctx, t.name, one)
		return set(o.OwnerReferences, &o.Spec.Template, o.Spec.Selector, err)
	case corev1.SchemeGroupVersion.WithKind("ReplicationController").GroupKind():
		o, err := client.CoreV1().ReplicationControllers(t.namespace).Get(ctx, t.name, one)
		return set(o.OwnerReferences, o.Spec.Template, &metav1.LabelSelector{MatchLabels: o.Spec.Selector}, err)
	}
	return nil, nil
}

// unmatched is the problem of a target without pods that VPA could know by their
// labels; nil if it has some. A CronJob need not have any now.
func (t *target) unmatched(ctx context.Context, client kubernetes.Interface) (*problem, error) {
	if t.selector.Empty() {
		return &problem{vpav1.NoPodsMatched, "NoLabels", fmt.Sprintf("the pods of %s %s/%s have no labels, so that VPA's admission controller cannot tell them: give the pod template some", t.kind, t.namespace, t.name)}, nil
	}
	if t.job != nil {
		return nil, nil
	}
	pods, err := client.CoreV1().Pods(t.namespace).List(ctx, metav1.ListOptions{LabelSelector: t.selector.String(), Limit: 1})
	if err != nil || len(pods.Items) > 0 {
		return nil, err
	}
	return &problem{vpav1.NoPodsMatched, "NoPodsMatched", fmt.Sprintf("no pods match the selector of %s %s/%s: %s", t.kind, t.namespace, t.name, t.selector)}, nil
}
