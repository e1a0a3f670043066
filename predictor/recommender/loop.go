package recommender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	vpainformers "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/informers/externalversions/autoscaling.k8s.io/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

const (
	// retryAfter is the pause after something failed that will be tried again.
	retryAfter = 10 * time.Second
	// rest between two rounds, however much changes.
	betweenRounds = time.Second
	// abreast is how many VerticalPodAutoscalers are looked at at once.
	abreast = 8
	// answerWithin bounds one question to the predictor.
	answerWithin = 5 * time.Second
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
	vpa     vpaclient.Interface
	from    Sources
	log     *slog.Logger
	metrics *metrics

	vpas, nodes, ranges cache.SharedIndexInformer
	dirty               chan struct{} // one element when something changed since the last round

	workloads map[types.UID]*workload // of the VerticalPodAutoscalers that aim at one
	written   map[types.UID]written
	lastRound atomic.Int64 // Unix nanoseconds; 0 before the first
}

// written is what a patch made of a VerticalPodAutoscaler, which the cache may not
// have yet.
type written struct {
	over   string // the resource version that the patch was made from
	result *vpav1.VerticalPodAutoscaler
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
	return newLoop(cfg, kube, vpa, from, log, reg)
}

func newLoop(cfg Config, kube kubernetes.Interface, vpa vpaclient.Interface, from Sources, log *slog.Logger, reg prometheus.Registerer) (*Loop, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	l := &Loop{
		cfg: cfg, kube: kube, vpa: vpa, from: from, log: log, metrics: m,
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

// LastRound is when the last round ended; zero before the first, and on a replica
// that has never led.
func (l *Loop) LastRound() time.Time {
	if ns := l.lastRound.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Run recommends, while it leads, until ctx ends, and then returns nil. It may be
// called once. The error is ErrNoCRDs, or says why the election cannot be held.
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
	return l.elected(ctx, l.act)
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
	defer l.metrics.leading.Set(0)
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

// chosen reports whether a VerticalPodAutoscaler is this recommender's.
func chosen(vpa *vpav1.VerticalPodAutoscaler) bool {
	return len(vpa.Spec.Recommenders) == 1 && vpa.Spec.Recommenders[0].Name == Name
}

// round looks at every VerticalPodAutoscaler that is this recommender's, and writes
// the status of those about which there is news.
func (l *Loop) round(ctx context.Context, now time.Time) {
	vpas := slices.DeleteFunc(listed[vpav1.VerticalPodAutoscaler](l.vpas), func(v *vpav1.VerticalPodAutoscaler) bool { return !chosen(v) })
	seen := map[types.UID]bool{}
	var provided atomic.Int64
	var mu sync.Mutex // guards l.written
	var group errgroup.Group
	group.SetLimit(abreast)
	for _, v := range vpas {
		seen[v.UID] = true
		if w, ok := l.written[v.UID]; ok && w.over == v.ResourceVersion {
			v = w.result
		}
		w := l.workloads[v.UID]
		if w == nil {
			w = &workload{}
			l.workloads[v.UID] = w
		}
		group.Go(func() error {
			found, err := l.look(ctx, v, w, now)
			if err != nil {
				l.log.Warn("recommendation left as it is", "namespace", v.Namespace, "name", v.Name, "error", err)
				return nil
			}
			after := l.write(ctx, v, statusOf(v, found, now))
			if after != v {
				mu.Lock()
				defer mu.Unlock()
				l.written[v.UID] = written{v.ResourceVersion, after}
			}
			if after.Status.Recommendation != nil {
				provided.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait() // nobody returns one
	for uid := range l.workloads {
		if !seen[uid] {
			delete(l.workloads, uid)
			delete(l.written, uid)
		}
	}
	l.metrics.rounds.Inc()
	l.metrics.lastRound.SetToCurrentTime()
	l.lastRound.Store(now.UnixNano())
	for is, n := range map[bool]int64{true: provided.Load(), false: int64(len(vpas)) - provided.Load()} {
		l.metrics.vpas.WithLabelValues(strconv.FormatBool(is)).Set(float64(n))
	}
}

func listed[T any](informer cache.SharedIndexInformer) []*T {
	var list []*T
	for _, o := range informer.GetStore().List() {
		if t, ok := o.(*T); ok {
			list = append(list, t)
		}
	}
	return list
}

// look finds out what there is to say of one VerticalPodAutoscaler. An error means
// that somebody did not answer, and counts.
func (l *Loop) look(ctx context.Context, vpa *vpav1.VerticalPodAutoscaler, w *workload, now time.Time) (finding, error) {
	t, p, err := find(ctx, l.kube, vpa, now)
	if p != nil {
		return finding{problems: []*problem{p}}, nil
	}
	var unmatched *problem
	if err == nil {
		unmatched, err = t.unmatched(ctx, l.kube)
	}
	if err != nil {
		l.metrics.errors.WithLabelValues(askedAPI).Inc()
		return finding{}, err
	}
	var f finding
	if unmatched != nil {
		f.problems = append(f.problems, unmatched)
	}
	needs, p, err := l.needs(ctx, t, w, now)
	if err != nil {
		return finding{}, err
	}
	if p != nil {
		f.problems = append(f.problems, p)
	}
	if len(needs) > 0 {
		f.recommended = recommend(&t.template.Spec, needs, vpa.Spec.ResourcePolicy, l.room(t.namespace))
	}
	return f, nil
}

// needs are those of the target's containers.
func (l *Loop) needs(ctx context.Context, t *target, w *workload, now time.Time) (Needs, *problem, error) {
	if t.job != nil {
		return l.needsOfJob(ctx, t)
	}
	if l.from.Usage == nil {
		return nil, unsupported("NoPrometheus", "what keeps running is sized by its use, and this recommender has no Prometheus: set prometheus.url"), nil
	}
	if w.namespace != t.namespace || w.kind != t.kind || w.name != t.name {
		*w = workload{namespace: t.namespace, kind: t.kind, name: t.name, usage: map[string][]predictor.ContainerUsage{}}
	}
	if err := w.learn(ctx, l.from.Usage, now); err != nil {
		l.metrics.errors.WithLabelValues(askedPrometheus).Inc()
		return nil, nil, err
	}
	needs, young := w.needs()
	switch {
	case len(needs) == 0:
		return nil, lowConfidence("Prometheus knows no use of its pods yet"), nil
	case young:
		return needs, lowConfidence("less than a day of use is known"), nil
	}
	return needs, nil, nil
}

func (l *Loop) needsOfJob(ctx context.Context, t *target) (Needs, *problem, error) {
	spec, _ := jobspec.FromJob(t.job, 0) // what cannot be read is the collector's to tell
	spec.Cluster = l.cfg.Cluster
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	estimates, err := l.from.Estimator.Estimate(ctx, []predictor.JobSpec{spec})
	switch {
	case errors.Is(err, predictor.ErrNoModel):
		return nil, lowConfidence("no model has been trained yet"), nil
	case err != nil:
		l.metrics.errors.WithLabelValues(askedPredictor).Inc()
		return nil, nil, fmt.Errorf("predictor: %w", err)
	}
	e := &estimates[0]
	if e.Cold {
		return nil, lowConfidence("too few of its runs have succeeded to size the next one"), nil
	}
	return jobNeeds(t.template, e), nil, nil
}

// room is that of a namespace, by the caches.
func (l *Loop) room(namespace string) Room {
	r := Room{MaxAllowed: l.cfg.MaxAllowed}
	for _, n := range listed[corev1.Node](l.nodes) {
		r.Nodes = append(r.Nodes, n.Status.Allocatable)
	}
	for _, lr := range listed[corev1.LimitRange](l.ranges) {
		if lr.Namespace == namespace {
			r.LimitRanges = append(r.LimitRanges, lr.Spec.Limits...)
		}
	}
	return r
}

// write patches the status, unless it is that already, on condition that the object
// still chooses this recommender. It returns the object as it is then.
func (l *Loop) write(ctx context.Context, vpa *vpav1.VerticalPodAutoscaler, status vpav1.VerticalPodAutoscalerStatus) *vpav1.VerticalPodAutoscaler {
	if equality.Semantic.DeepEqual(vpa.Status, status) {
		return vpa
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	patch, err := json.Marshal([]operation{
		{"test", "/spec/recommenders/0/name", Name},
		{"add", "/status", status},
	})
	if err == nil {
		var after *vpav1.VerticalPodAutoscaler
		after, err = l.vpa.AutoscalingV1().VerticalPodAutoscalers(vpa.Namespace).Patch(ctx, vpa.Name, types.JSONPatchType, patch, metav1.PatchOptions{}, "status")
		if err == nil {
			l.metrics.patches.Inc()
			return after
		}
	}
	if !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err) { // gone, or somebody else's by now
		l.metrics.errors.WithLabelValues(askedAPI).Inc()
		l.log.Warn("status not written", "namespace", vpa.Namespace, "name", vpa.Name, "error", err)
	}
	return vpa
}
