package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	batchinformers "k8s.io/client-go/informers/batch/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	schedulinginformers "k8s.io/client-go/informers/scheduling/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/runcast/runcast/predictor/jobspec"
)

// livePods selects the pods that hold room. What leaves the selection arrives as
// a deletion: at once, a second before the Job's status tells.
const livePods = "status.phase!=Succeeded,status.phase!=Failed"

// informers keep the parts of the cluster that planning looks at.
type informers struct {
	nodes, pods, jobs, priorities cache.SharedIndexInformer

	births *births
}

// newInformers makes them; changed is called whenever something that matters to
// planning did.
func newInformers(client kubernetes.Interface, births *births, changed func()) (*informers, error) {
	none := cache.Indexers{}
	i := &informers{
		births: births,
		nodes:  coreinformers.NewNodeInformer(client, 0, none),
		pods: coreinformers.NewFilteredPodInformer(client, metav1.NamespaceAll, 0, none, func(o *metav1.ListOptions) {
			o.FieldSelector = livePods
		}),
		jobs:       batchinformers.NewJobInformer(client, metav1.NamespaceAll, 0, none),
		priorities: schedulinginformers.NewPriorityClassInformer(client, 0, none),
	}
	handlers := map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		i.nodes: onChange(changed, nodeChanged),
		i.jobs:  onChange(changed, jobChanged),
		i.pods:  podHandler(births, changed),
		i.priorities: onChange(changed, func(a, b *schedulingv1.PriorityClass) bool {
			return a.Value != b.Value || a.GlobalDefault != b.GlobalDefault
		}),
	}
	for informer, handler := range handlers {
		if err := informer.SetTransform(trim); err != nil {
			return nil, fmt.Errorf("informer: %w", err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("informer: %w", err)
		}
	}
	return i, nil
}

func (i *informers) all() []cache.SharedIndexInformer {
	return []cache.SharedIndexInformer{i.nodes, i.pods, i.jobs, i.priorities}
}

func (i *informers) start(ctx context.Context, background *sync.WaitGroup) {
	for _, informer := range i.all() {
		background.Go(func() { informer.RunWithContext(ctx) })
	}
}

// synced waits for the caches, saying so from time to time; false if ctx ends first.
func (i *informers) synced(ctx context.Context, log *slog.Logger) bool {
	for {
		some, cancel := context.WithTimeout(ctx, 30*time.Second)
		ok := true
		for _, informer := range i.all() {
			ok = ok && cache.WaitForCacheSync(some.Done(), informer.HasSynced)
		}
		cancel()
		if ok || ctx.Err() != nil {
			return ok
		}
		log.Warn("caches are not filled yet: is reading nodes, pods, jobs and priorityclasses permitted?")
	}
}

// look returns what is known now. The objects are shared: they are not to be changed.
func (i *informers) look(now time.Time) cluster {
	return cluster{
		mark:       i.births.marked(), // first
		now:        now,
		nodes:      listed[corev1.Node](i.nodes),
		pods:       listed[corev1.Pod](i.pods),
		jobs:       listed[batchv1.Job](i.jobs),
		priorities: listed[schedulingv1.PriorityClass](i.priorities),
	}
}

func listed[T any](informer cache.SharedIndexInformer) []*T {
	objects := informer.GetStore().List()
	list := make([]*T, 0, len(objects))
	for _, o := range objects {
		if t, ok := o.(*T); ok {
			list = append(list, t)
		}
	}
	return list
}

// trim drops what nobody reads before it is kept.
func trim(o any) (any, error) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetManagedFields(nil)
	}
	return o, nil
}

// onChange calls changed for what comes and goes, and for updates that matter.
func onChange[T any](changed func(), matters func(before, after *T) bool) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		DeleteFunc: func(any) { changed() },
		UpdateFunc: func(before, after any) {
			a, ok := before.(*T)
			b, also := after.(*T)
			if !ok || !also || matters(a, b) {
				changed()
			}
		},
	}
}

// podHandler also counts the pods of each Job, before it calls for a plan.
func podHandler(births *births, changed func()) cache.ResourceEventHandler {
	note := func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		if pod, ok := o.(*corev1.Pod); ok {
			births.note(controllingJob(pod), pod.UID, time.Now())
		}
		changed()
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    note,
		DeleteFunc: note,
		UpdateFunc: func(before, after any) {
			a, ok := before.(*corev1.Pod)
			b, also := after.(*corev1.Pod)
			switch {
			case !ok || !also:
			case podEnded(a) != podEnded(b):
				note(b)
			case podChanged(a, b):
				changed()
			}
		},
	}
}

// podChanged reports whether the room that a pod holds has changed, or may have.
func podChanged(a, b *corev1.Pod) bool {
	return a.Spec.NodeName != b.Spec.NodeName ||
		a.Generation != b.Generation ||
		len(a.Spec.SchedulingGates) != len(b.Spec.SchedulingGates) ||
		!a.Status.StartTime.Equal(b.Status.StartTime) ||
		!a.DeletionTimestamp.Equal(b.DeletionTimestamp) ||
		!unplacedSince(a).Equal(unplacedSince(b))
}

func nodeChanged(a, b *corev1.Node) bool {
	return a.Spec.Unschedulable != b.Spec.Unschedulable ||
		ready(a) != ready(b) ||
		!equality.Semantic.DeepEqual(a.Spec.Taints, b.Spec.Taints) ||
		!equality.Semantic.DeepEqual(a.Labels, b.Labels) ||
		!equality.Semantic.DeepEqual(a.Status.Allocatable, b.Status.Allocatable)
}

// jobChanged ignores what Runcast itself writes: a plan must not be the reason for
// the next one.
func jobChanged(a, b *batchv1.Job) bool {
	if !equality.Semantic.DeepEqual(a.Spec, b.Spec) ||
		!equality.Semantic.DeepEqual(a.Labels, b.Labels) ||
		!equality.Semantic.DeepEqual(a.Status, b.Status) ||
		!a.DeletionTimestamp.Equal(b.DeletionTimestamp) {
		return true
	}
	return !equality.Semantic.DeepEqual(inputs(a.Annotations), inputs(b.Annotations))
}

// inputs are the annotations that Runcast does not write.
func inputs(annotations map[string]string) map[string]string {
	in := make(map[string]string, len(annotations))
	for name, v := range annotations {
		if !slices.Contains(outputs, name) {
			in[name] = v
		}
	}
	return in
}

// outputs are the annotations that Runcast writes.
var outputs = []string{
	jobspec.AnnotationRuntime, jobspec.AnnotationRuntimeP10, jobspec.AnnotationRuntimeP90,
	jobspec.AnnotationPeakMemory, jobspec.AnnotationPeakMemoryP90, jobspec.AnnotationMemoryRequest,
	jobspec.AnnotationUserMemory, jobspec.AnnotationModel,
	jobspec.AnnotationStart, jobspec.AnnotationReserved, jobspec.AnnotationEnd, jobspec.AnnotationDecision,
}
