package recommender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

const (
	// abreast is how many VerticalPodAutoscalers are looked at at once.
	abreast = 8
	// answerWithin bounds one question to the predictor.
	answerWithin = 5 * time.Second
)

// written is what a patch made of a VerticalPodAutoscaler, which the cache may not
// have yet.
type written struct {
	over   string // the resource version that the patch was made from
	result *vpav1.VerticalPodAutoscaler
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
	t, p, err := find(ctx, l.kube, l.objects, vpa, now)
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
	if w.namespace != t.namespace || w.controller != t.controller {
		*w = workload{namespace: t.namespace, controller: t.controller, usage: map[string][]predictor.ContainerUsage{}}
	}
	if err := w.learn(ctx, l.from.Usage, now); err != nil {
		l.metrics.errors.WithLabelValues(askedPrometheus).Inc()
		return nil, nil, err
	}
	needs, young := w.needs()
	switch {
	case len(needs) == 0:
		return nil, lowConfidence("Prometheus knows no whole interval of its pods' use yet"), nil
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
