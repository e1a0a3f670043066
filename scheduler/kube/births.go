package kube

import (
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
)

// births count the pods of released Jobs that should exist and do not yet.
//
// A Job's status lags behind its pods by about a second, so it cannot tell a pod
// that is yet to be created from one that has just ended and given its room back.
// Hence the pods themselves are counted as they appear, and each that has gone is taken
// for a success: the replacement of one that failed has no room held for it before it
// is created.
//
// The pods are noted by the informer's handler while a survey lists them. What has
// been noted up to a mark that is taken before the listing, and is not listed, has
// gone; what is noted later may be listed or not, and does not count.
type births struct {
	mu   sync.Mutex
	jobs map[types.UID]*offspring
	mark int // counts the notes
}

type offspring struct {
	seen map[types.UID]int // the first mark of every pod since the release, or since this process watches
	last time.Time         // when one last appeared or went
}

func newBirths() *births { return &births{jobs: map[types.UID]*offspring{}} }

// note remembers that a pod of the job appeared, changed or went.
func (b *births) note(job, pod types.UID, now time.Time) {
	if job == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.jobs[job]
	if o == nil {
		o = &offspring{seen: map[types.UID]int{}}
		b.jobs[job] = o
	}
	b.mark++
	if _, known := o.seen[pod]; !known {
		o.seen[pod] = b.mark
	}
	o.last = now
}

// marked is the number of notes so far.
func (b *births) marked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mark
}

// unborn is how many pods of a released Job are still to be created beside those
// alive, which were listed after mark. It is 0 once none has appeared or gone for
// UnplacedGrace since the Job controller started the Job.
func (b *births) unborn(job *batchv1.Job, alive []*podFacts, mark int, now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	gone, last := 0, time.Time{}
	if o := b.jobs[job.UID]; o != nil {
		gone, last = o.gone(alive, mark), o.last
	}
	if start := job.Status.StartTime; start != nil {
		if last.Before(start.Time) {
			last = start.Time
		}
		if now.Sub(last) > UnplacedGrace {
			return 0
		}
	}
	ended := max(gone, int(job.Status.Succeeded))
	want := 1
	if p := job.Spec.Parallelism; p != nil {
		want = int(*p)
	}
	if c := job.Spec.Completions; c != nil {
		want = min(want, int(*c)-ended)
	} else if ended > 0 { // a work queue: once a pod has succeeded no other is created
		want = 0
	}
	return max(want-len(alive), 0)
}

// gone counts the pods that had appeared by mark and are not alive.
func (o *offspring) gone(alive []*podFacts, mark int) int {
	n := 0
	for _, m := range o.seen {
		if m <= mark {
			n++
		}
	}
	for _, p := range alive {
		if m, ok := o.seen[p.uid]; ok && m <= mark {
			n--
		}
	}
	return n
}

// reset forgets a Job that is suspended: its next pods are others.
func (b *births) reset(job types.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.jobs, job)
}

// keep forgets the Jobs that are not live.
func (b *births) keep(live map[types.UID]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uid := range b.jobs {
		if !live[uid] {
			delete(b.jobs, uid)
		}
	}
}
