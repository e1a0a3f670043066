package recommender

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	vpainformers "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/informers/externalversions/autoscaling.k8s.io/v1"
	"k8s.io/client-go/dynamic"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/election"
)

const (
	// retryAfter is the pause after something failed that will be tried again.
	retryAfter = 10 * time.Second
	// rest between two rounds, however much changes.
	betweenRounds = time.Second
)

// Sources are what recommendations rest on.
type Sources struct {
	Estimator predictor.Estimator
	Usage     UsageFunc // nil: there is no Prometheus, and only jobs are sized
}

// A Loop keeps the recommendations of one cluster.
type Loop struct {
	cfg     Config
	kube    kubernetes.Interface
	objects dynamic.Interface // for the scale subresources of what kube does not know
	vpa     vpaclient.Interface
	from    Sources
	log     *slog.Logger
	metrics *metrics

	election            *election.Election
	vpas, nodes, ranges cache.SharedIndexInformer
	dirty               chan struct{} // one element when something changed since the last round

	workloads map[types.UID]*workload // of the VerticalPodAutoscalers that aim at one
	written   map[types.UID]written
	lastRound atomic.Int64 // Unix nanoseconds; 0 if there is none of this term
}

// New makes a Loop; Run runs it. api's own rate limit bounds all requests.
func New(cfg Config, api *rest.Config, from Sources, log *slog.Logger, reg prometheus.Registerer) (*Loop, error) {
	kube, err := kubernetes.NewForConfig(api)
	if err != nil {
		return nil, err
	}
	vpa, err := vpaclient.NewForConfig(api)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(api)
	if err != nil {
		return nil, err
	}
	return newLoop(cfg, kube, objects, vpa, from, log, reg)
}

func newLoop(cfg Config, kube kubernetes.Interface, objects dynamic.Interface, vpa vpaclient.Interface, from Sources, log *slog.Logger, reg prometheus.Registerer) (*Loop, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	elected, err := election.New(cfg.Election, kube, log)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	l := &Loop{
		cfg: cfg, kube: kube, objects: objects, vpa: vpa, from: from, log: log, metrics: m,
		election:  elected,
		vpas:      vpainformers.NewVerticalPodAutoscalerInformer(vpa, metav1.NamespaceAll, 0, cache.Indexers{}),
		nodes:     coreinformers.NewNodeInformer(kube, 0, cache.Indexers{}),
		ranges:    coreinformers.NewLimitRangeInformer(kube, metav1.NamespaceAll, 0, cache.Indexers{}),
		dirty:     make(chan struct{}, 1),
		workloads: map[types.UID]*workload{}, written: map[types.UID]written{},
	}
	if err := l.nodes.SetTransform(roomOf); err != nil {
		return nil, err
	}
	_, err = l.vpas.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { l.markDirty() },
		UpdateFunc: func(before, after any) {
			a, ok := before.(*vpav1.VerticalPodAutoscaler)
			b, also := after.(*vpav1.VerticalPodAutoscaler)
			if !ok || !also || a.Generation != b.Generation { // not its status, which this writes
				l.markDirty()
			}
		},
	})
	return l, err
}

// roomOf keeps of a node what a Room needs.
func roomOf(o any) (any, error) {
	if n, ok := o.(*corev1.Node); ok {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion},
			Status:     corev1.NodeStatus{Allocatable: n.Status.Allocatable},
		}, nil
	}
	return o, nil
}

// LastRound is when the last round ended; zero before the first, and while this replica
// does not lead.
func (l *Loop) LastRound() time.Time {
	if ns := l.lastRound.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Run recommends, while it leads, until ctx ends, and then returns nil. It may be
// called once. The error is ErrNoCRDs.
func (l *Loop) Run(ctx context.Context) error {
	if err := l.checkCRDs(ctx); err != nil {
		return err
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, informer := range []cache.SharedIndexInformer{l.vpas, l.nodes, l.ranges} {
		background.Go(func() { informer.RunWithContext(ctx) })
	}
	for !cache.WaitForCacheSync(timeout(ctx, 30*time.Second), l.vpas.HasSynced, l.nodes.HasSynced, l.ranges.HasSynced) {
		if ctx.Err() != nil {
			return nil
		}
		l.log.Warn("caches are not filled yet: is reading verticalpodautoscalers, nodes and limitranges permitted?")
	}
	l.election.Run(ctx, l.act)
	return nil
}

// timeout is a channel that closes after d or with ctx.
func timeout(ctx context.Context, d time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx.Done()
}

// checkCRDs asks whether the cluster has the VPA's types, until it is answered.
func (l *Loop) checkCRDs(ctx context.Context) error {
	for ctx.Err() == nil {
		_, err := l.vpa.Discovery().ServerResourcesForGroupVersion(vpav1.SchemeGroupVersion.String())
		switch {
		case err == nil:
			return nil
		case apierrors.IsNotFound(err):
			return ErrNoCRDs
		}
		l.log.Warn("waiting for the API server", "error", err)
		pause(ctx, retryAfter)
	}
	return nil
}

// act makes rounds until ctx ends.
func (l *Loop) act(ctx context.Context) {
	l.metrics.leading.Set(1)
	defer func() {
		l.metrics.leading.Set(0)
		l.lastRound.Store(0)
	}()
	l.markDirty()
	ticker := time.NewTicker(l.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.dirty:
		case <-ticker.C:
		}
		l.round(ctx, time.Now())
		pause(ctx, betweenRounds)
	}
}

func (l *Loop) markDirty() {
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
