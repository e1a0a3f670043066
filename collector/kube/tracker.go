package kube

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxPods bounds what is kept of one job; attempts beyond it are not counted.
const maxPods = 10_000

// A tracker follows Jobs and their pods from the events of two watches, which come
// in any order between them. It is safe for concurrent use.
//
//	unknown ──pod──> pods only ──job──> watched ──condition or deletion──> ended ──delivered──> done
//	   └──────────────job───────────────> │                                                      │
//	                                      └──absence noticed──> forgotten <────────deletion──────┘
type tracker struct {
	unresolved func() // counts jobs that were forgotten before their end was seen

	mu    sync.Mutex
	runs  map[types.UID]*run // by the Job's UID
	ended map[types.UID]*run // those of runs that wait for delivery
}

func newTracker(unresolved func()) *tracker {
	return &tracker{unresolved: unresolved, runs: map[types.UID]*run{}, ended: map[types.UID]*run{}}
}

// len is the number of Jobs known.
func (t *tracker) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range t.runs {
		if r.job != nil || r.done {
			n++
		}
	}
	return n
}

func (t *tracker) run(job types.UID) *run {
	r := t.runs[job]
	if r == nil {
		r = &run{pods: map[types.UID]*pod{}}
		t.runs[job] = r
	}
	return r
}

// job takes in a Job as it was added or updated.
func (t *tracker) job(job *batchv1.Job, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.see(job, now)
}

func (t *tracker) see(job *batchv1.Job, now time.Time) *run {
	r := t.run(job.UID)
	if r.done {
		return r
	}
	r.see(job)
	if end(job) != nil && r.ended.IsZero() {
		r.ended = now
		t.ended[job.UID] = r
	}
	return r
}

// jobGone takes in the last state of a Job that was deleted; interrupted says that
// it is the last one seen, and that the watch was interrupted since.
func (t *tracker) jobGone(job *batchv1.Job, interrupted bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.see(job, now)
	switch {
	case r.done:
		delete(t.runs, job.UID)
	case end(job) == nil && interrupted && job.DeletionTimestamp == nil:
		t.unresolved()
		delete(t.runs, job.UID)
	default:
		r.gone = true
		if r.ended.IsZero() {
			r.ended = now
			t.ended[job.UID] = r
		}
	}
}

// pod takes in a pod as it was added or updated.
func (t *tracker) pod(o *corev1.Pod) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look(o)
}

// look returns the run of a pod that belongs to a Job, nil if that is delivered.
func (t *tracker) look(o *corev1.Pod) *run {
	owner := metav1.GetControllerOfNoCopy(o)
	if owner == nil || owner.Kind != "Job" {
		return nil
	}
	r := t.run(owner.UID)
	if r.done {
		return nil
	}
	if known := r.pods[o.UID]; known != nil || len(r.pods) < maxPods {
		r.pods[o.UID] = known.seen(o)
	}
	return r
}

// podGone takes in the last state of a pod that was deleted. It is kept as long as
// its Job is watched.
func (t *tracker) podGone(o *corev1.Pod) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.look(o)
	switch {
	case r == nil || r.pods[o.UID] == nil:
	case r.job != nil:
		p := *r.pods[o.UID]
		p.gone = true
		r.pods[o.UID] = &p
	default:
		if delete(r.pods, o.UID); len(r.pods) == 0 {
			delete(t.runs, metav1.GetControllerOfNoCopy(o).UID)
		}
	}
}

// finished returns copies of at most limit runs that have ended and are ready, in
// order of their end as seen here.
func (t *tracker) finished(ready func(*run) bool, limit int) []*run {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*run
	for _, r := range t.ended {
		if ready(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *run) int {
		return cmp.Or(a.ended.Compare(b.ended), cmp.Compare(a.job.Namespace, b.job.Namespace), cmp.Compare(a.job.Name, b.job.Name))
	})
	out = out[:min(limit, len(out))]
	for i, r := range out {
		c := *r
		c.pods = maps.Clone(r.pods)
		out[i] = &c
	}
	return out
}

// delivered forgets all of the runs but that they were delivered, as long as their
// Jobs are there.
func (t *tracker) delivered(runs []*run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range runs {
		uid := c.job.UID
		if t.runs[uid].gone {
			delete(t.runs, uid)
		} else {
			t.runs[uid] = &run{done: true}
		}
		delete(t.ended, uid)
	}
}
