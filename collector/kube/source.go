package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	batchinformers "k8s.io/client-go/informers/batch/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	schedulinginformers "k8s.io/client-go/informers/scheduling/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor/jobspec"
)

const (
	// lookEvery is how often jobs that have ended are looked for, and offered again
	// if they were not taken.
	lookEvery = time.Second
	// deliveryLimit is the most jobs delivered at once.
	deliveryLimit = 500
	// classSync is how long the start waits for priority classes, which may be forbidden.
	classSync = 10 * time.Second
	// lastDelivery bounds the delivery of what had ended when the source is stopped.
	lastDelivery = 5 * time.Second
)

// A Source watches one cluster. It implements collector.Lifecycles.
type Source struct {
	cluster string
	log     *slog.Logger
	tracker *tracker

	jobs, pods, classes cache.SharedIndexInformer
	registrations       []cache.ResourceEventHandlerRegistration // of jobs and pods

	finished, watchErrors *prometheus.CounterVec
	problems, unresolved  prometheus.Counter
}

var _ collector.Lifecycles = (*Source)(nil)

// New makes a source over client, which has the name cluster in job IDs and records;
// it may be empty. Its metrics go to reg, which may be nil. It can be run once.
func New(client kubernetes.Interface, cluster string, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	metrics := promauto.With(reg)
	s := &Source{
		cluster: cluster, log: log,
		jobs: batchinformers.NewJobInformer(client, metav1.NamespaceAll, 0, nil),
		pods: coreinformers.NewFilteredPodInformer(client, metav1.NamespaceAll, 0, nil, func(o *metav1.ListOptions) {
			o.LabelSelector = batchv1.JobNameLabel
		}),
		classes: schedulinginformers.NewPriorityClassInformer(client, 0, nil),

		finished: metrics.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_collector_kube_jobs_total", Help: "Finished jobs delivered by the informer, by outcome.",
		}, []string{"outcome"}),
		watchErrors: metrics.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_collector_kube_watch_errors_total", Help: "Interrupted or refused watches, by kind; they are resumed.",
		}, []string{"kind"}),
		problems: metrics.NewCounter(prometheus.CounterOpts{
			Name: "runcast_collector_kube_malformed_fields_total", Help: "Fields of finished jobs that could not be read and were left out.",
		}),
		unresolved: metrics.NewCounter(prometheus.CounterOpts{
			Name: "runcast_collector_kube_jobs_unresolved_total", Help: "Jobs that vanished while the watch was interrupted, so that their end is unknown.",
		}),
	}
	s.tracker = newTracker(s.unresolved.Inc)
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "runcast_collector_kube_jobs_watched", Help: "Jobs known to the informer, finished ones included.",
	}, func() float64 { return float64(s.tracker.len()) })
	return s, s.connect()
}

// connect makes the informers light and feeds the tracker from them.
func (s *Source) connect() error {
	var errs []error
	for kind, informer := range map[string]cache.SharedIndexInformer{
		"Job": s.jobs, "Pod": s.pods, "PriorityClass": s.classes,
	} {
		errs = append(errs,
			informer.SetTransform(light),
			informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
				s.watchErrors.WithLabelValues(kind).Inc()
				s.log.WarnContext(ctx, "watch interrupted", "kind", kind, "error", err)
			}))
	}
	jobs, err := s.jobs.AddEventHandler(events(sameObject,
		func(j *batchv1.Job) { s.tracker.job(j, time.Now()) },
		func(j *batchv1.Job, interrupted bool) { s.tracker.jobGone(j, interrupted, time.Now()) },
	))
	errs = append(errs, err)
	pods, err := s.pods.AddEventHandler(events(sameParent,
		s.tracker.pod,
		func(p *corev1.Pod, _ bool) { s.tracker.podGone(p) },
	))
	s.registrations = []cache.ResourceEventHandlerRegistration{jobs, pods}
	return errors.Join(append(errs, err)...)
}

// events calls seen with each state of an object and gone with its last one, which is
// the last one seen if the watch was interrupted. An object that was made anew under its
// name meanwhile comes as an update of the one before: it is not the same.
func events[T metav1.Object](same func(before, after T) bool, seen func(T), gone func(last T, interrupted bool)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { seen(o.(T)) },
		UpdateFunc: func(before, o any) {
			if before := before.(T); !same(before, o.(T)) {
				gone(before, true)
			}
			seen(o.(T))
		},
		DeleteFunc: func(o any) {
			tombstone, interrupted := o.(cache.DeletedFinalStateUnknown)
			if interrupted {
				o = tombstone.Obj
			}
			gone(o.(T), interrupted)
		},
	}
}

func sameObject(a, b *batchv1.Job) bool { return a.UID == b.UID }

// sameParent reports whether two states are of one pod of one Job: an orphan has none.
func sameParent(a, b *corev1.Pod) bool {
	was, is := metav1.GetControllerOfNoCopy(a), metav1.GetControllerOfNoCopy(b)
	return a.UID == b.UID && (was == nil || is != nil && was.UID == is.UID)
}

// Run delivers jobs as they finish, those first that had finished already, each
// until deliver has taken it. It returns nil when ctx ends.
func (s *Source) Run(ctx context.Context, deliver func(context.Context, []collector.Finished) error) error {
	var informers sync.WaitGroup
	defer informers.Wait()
	for _, informer := range []cache.SharedIndexInformer{s.classes, s.jobs, s.pods} {
		informers.Go(func() { informer.RunWithContext(ctx) })
	}
	s.syncClasses(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), s.registrations[0].HasSynced, s.registrations[1].HasSynced) {
		return nil
	}
	s.log.InfoContext(ctx, "watching jobs", "jobs", s.tracker.len())
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			settled := func(r *run) bool { return r.settled(time.Now()) }
			if err := s.turn(ctx, settled, deliver); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "finished jobs were not taken, will be offered again", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastDelivery)
			defer cancel()
			deleted := func(r *run) bool { return r.gone } // the next start will not see them
			if err := s.turn(last, deleted, deliver); err != nil {
				return fmt.Errorf("deliver jobs that were deleted: %w", err)
			}
			return nil
		}
	}
}

// syncClasses waits for the priority classes, but not for long.
func (s *Source) syncClasses(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, classSync)
	defer cancel()
	if !cache.WaitForCacheSync(bounded.Done(), s.classes.HasSynced) && ctx.Err() == nil {
		s.log.WarnContext(ctx, "priority classes cannot be listed; the priority of jobs is taken from their pods")
	}
}

// turn delivers those jobs that have ended and are ready.
func (s *Source) turn(ctx context.Context, ready func(*run) bool, deliver func(context.Context, []collector.Finished) error) error {
	for {
		runs := s.tracker.finished(ready, deliveryLimit)
		if len(runs) == 0 {
			return nil
		}
		batch, problems := make([]collector.Finished, len(runs)), make([][]jobspec.Problem, len(runs))
		for i, r := range runs {
			batch[i], problems[i] = r.read(s.cluster, s.priority(r))
		}
		if err := deliver(ctx, batch); err != nil {
			return err
		}
		s.tracker.delivered(runs)
		for i, f := range batch {
			s.finished.WithLabelValues(string(f.Record.Outcome)).Inc()
			s.report(ctx, f.Record.ID, problems[i])
		}
	}
}

// report logs what of a job's fields was malformed.
func (s *Source) report(ctx context.Context, id string, problems []jobspec.Problem) {
	for _, p := range problems {
		s.problems.Inc()
		s.log.WarnContext(ctx, "malformed field left out", "job", id, "field", p.Field, "value", p.Value, "expected", p.Expected)
	}
}

// priority is the value of the Job's class, else what its pods were given.
func (s *Source) priority(r *run) int32 {
	name := r.job.Spec.Template.Spec.PriorityClassName
	for _, o := range s.classes.GetStore().List() {
		if class := o.(*schedulingv1.PriorityClass); class.Name == name || name == "" && class.GlobalDefault {
			return class.Value
		}
	}
	for _, p := range r.pods {
		if p.last.Spec.Priority != nil {
			return *p.last.Spec.Priority
		}
	}
	return 0
}

// light drops what is not read here, before it is cached.
func light(o any) (any, error) {
	switch o := o.(type) {
	case *batchv1.Job:
		var kept []metav1.ManagedFieldsEntry
		for _, m := range o.ManagedFields {
			if m.FieldsV1 != nil && strings.Contains(m.FieldsV1.GetRawString(), estimateField) {
				kept = append(kept, m)
			}
		}
		o.ManagedFields = kept
	case *corev1.Pod:
		o.ManagedFields = nil
		o.Spec = corev1.PodSpec{NodeName: o.Spec.NodeName, Priority: o.Spec.Priority}
	}
	return o, nil
}
