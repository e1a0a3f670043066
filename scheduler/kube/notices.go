package kube

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/runcast/runcast/predictor/jobspec"
)

// noticeRetry is the pause after a notice that could not be written.
const noticeRetry = 30 * time.Second

// notices writes on the Jobs that wait why they do and until when, at a bounded
// rate and never in the way of a release: it works through the latest plan, in
// its order, whenever that differs from what a Job was told last.
type notices struct {
	client  kubernetes.Interface
	herald  *herald
	metrics *metrics
	log     *slog.Logger
	rate    flowcontrol.RateLimiter

	mu     sync.Mutex
	latest []outcome
	fresh  bool          // next has not seen latest
	wake   chan struct{} // one element when there is a new plan

	// last is what was written, for the time until the informer shows it.
	last map[types.UID]written // only used by run
}

type written struct {
	notice
	predicted bool
	notBefore time.Time
}

func newNotices(client kubernetes.Interface, h *herald, m *metrics, log *slog.Logger, perSecond float64) *notices {
	return &notices{
		client: client, herald: h, metrics: m, log: log,
		rate: flowcontrol.NewTokenBucketRateLimiter(float32(perSecond), max(int(perSecond), 1)),
		wake: make(chan struct{}, 1),
		last: map[types.UID]written{},
	}
}

// post replaces what is to be written.
func (n *notices) post(latest []outcome) {
	n.mu.Lock()
	n.latest, n.fresh = latest, true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends.
func (n *notices) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		for {
			if _, ok := n.next(); !ok {
				break
			}
			if n.rate.Wait(ctx) != nil {
				return
			}
			if o, ok := n.next(); ok { // the plan may have changed meanwhile
				n.write(ctx, o)
			}
		}
	}
}

// next is the first in the latest plan that is due.
func (n *notices) next() (outcome, bool) {
	n.mu.Lock()
	outcomes, fresh := n.latest, n.fresh
	n.fresh = false
	n.mu.Unlock()
	if fresh {
		n.forget(outcomes)
	}
	now := time.Now()
	for _, o := range outcomes {
		if n.due(o, now) {
			return o, true
		}
	}
	return outcome{}, false
}

// before is what the Job was told last, by us or by an earlier leader.
func (n *notices) before(o outcome) written {
	if w, ok := n.last[o.job.UID]; ok {
		return w
	}
	return written{notice: told(o.job), predicted: o.predicted()}
}

func (n *notices) due(o outcome, now time.Time) bool {
	w := n.before(o)
	return !now.Before(w.notBefore) && (o.differs(w.notice, now) || o.from == fromModel && !w.predicted)
}

func (n *notices) write(ctx context.Context, o outcome) {
	before := n.before(o)
	annotations := o.annotations()
	first := o.from == fromModel && !before.predicted
	if first {
		maps.Copy(annotations, jobspec.Annotations(o.estimate))
	}
	if _, err := patchJob(ctx, n.client, o.job, noticePatch(o.job, annotations)); err != nil {
		if ctx.Err() != nil {
			return
		}
		n.metrics.apiErrors.WithLabelValues(callAnnotate).Inc()
		n.log.Warn("notice not written", "error", err)
		before.notBefore = time.Now().Add(noticeRetry)
		n.last[o.job.UID] = before
		return
	}
	n.last[o.job.UID] = written{notice: o.notice, predicted: before.predicted || first}
	if first {
		n.herald.predicted(o.job, o.estimate)
	}
	if o.verdict != before.verdict {
		n.herald.decided(o.job, o.verdict, o.reason)
	}
}

// forget drops the Jobs that wait no more: one that waits again has been told since
// that it was released.
func (n *notices) forget(outcomes []outcome) {
	live := make(map[types.UID]bool, len(outcomes))
	for _, o := range outcomes {
		live[o.job.UID] = true
	}
	maps.DeleteFunc(n.last, func(uid types.UID, _ written) bool { return !live[uid] })
}
