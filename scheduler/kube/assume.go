package kube

import (
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
)

// assumptions bridge the time between a release and the watch that tells of it,
// as kube-scheduler's cache does for bindings. The states of a Job of the queue,
// and the room it holds in each:
//
//	             patched              watched             created, bound
//	Pending ──────────────> Assumed ──────────> Released ────────────────> pods
//	 ^  │ ^                  │   ^              (unborn: see births)         │
//	 │  │ └──── refused ─────┘   │                   │                       │ ended
//	 │  │ no answer      settled │                   v                       v
//	 │  └──────────────> Doubtful           suspended again: Pending      no room
//	 └─── not released ──────┘
//
//	Pending            none
//	Assumed, Doubtful  its whole gang, unbound
//	Released           its unborn pods and its unbound ones, unbound; the others on their nodes
//
// An assumption ends only by evidence: the informer has the Job at the generation
// that the patch made, or a later one, or has it no more. From then on the Job
// speaks for itself. A doubtful release is settled by reading the Job from the API
// server; until that succeeds its room stays taken and it is not released again.
// All of it may be lost: a new leader finds the same in the API server, and a
// release is conditional on what it was decided on.
type assumptions struct {
	mu   sync.Mutex
	jobs map[types.UID]assumption
	// refusals are releases that the API server turned down; those Jobs are
	// Pending, but not to be released before a time.
	refusals map[types.UID]refusal
}

type assumption struct {
	generation int64        // that the release made
	preferred  []string     // nodes, by its pods
	doubtful   *batchv1.Job // as it was to be released; nil if it certainly is
}

type refusal struct {
	times int
	until time.Time
	why   string
}

// Pauses after a refusal: doubled each time.
const (
	minRefusalPause = time.Second
	maxRefusalPause = 5 * time.Minute
)

func newAssumptions() *assumptions {
	return &assumptions{jobs: map[types.UID]assumption{}, refusals: map[types.UID]refusal{}}
}

// released notes that the API server has the Job released, in this version.
func (a *assumptions) released(job *batchv1.Job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[job.UID] = assumption{generation: job.Generation, preferred: preferredNodes(job.Spec.Template.Spec.Affinity)}
	delete(a.refusals, job.UID)
}

// doubt notes that a release may or may not have happened.
func (a *assumptions) doubt(job *batchv1.Job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[job.UID] = assumption{doubtful: job}
}

// drop notes that the Job is not released, for no fault of its own.
func (a *assumptions) drop(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.jobs, uid)
}

// refuse notes that the Job is not released because the API server will not.
func (a *assumptions) refuse(uid types.UID, why string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.jobs, uid)
	r := a.refusals[uid]
	pause := min(minRefusalPause<<min(r.times, 16), maxRefusalPause)
	a.refusals[uid] = refusal{r.times + 1, now.Add(pause), why}
}

// holds reports whether a Job that the informer shows suspended has been released
// all the same, as far as is known, and which nodes its pods then prefer. It ends the
// assumption if the informer has caught up.
func (a *assumptions) holds(job *batchv1.Job) (preferred []string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.jobs[job.UID]
	if ok && s.doubtful == nil && (job.Generation >= s.generation || !suspended(job)) {
		delete(a.jobs, job.UID)
		return nil, false
	}
	return s.preferred, ok
}

// refused returns the last refusal of a Job, if it is still to be respected.
func (a *assumptions) refused(uid types.UID, now time.Time) (refusal, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.refusals[uid]
	return r, ok && now.Before(r.until)
}

// doubtful lists the Jobs to be settled.
func (a *assumptions) doubtful() []*batchv1.Job {
	a.mu.Lock()
	defer a.mu.Unlock()
	var jobs []*batchv1.Job
	for _, s := range a.jobs {
		if s.doubtful != nil {
			jobs = append(jobs, s.doubtful)
		}
	}
	return jobs
}

// clear forgets all, as one who leads no more must: what it was in doubt of, it will not
// settle.
func (a *assumptions) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.jobs)
	clear(a.refusals)
}

// keep forgets the Jobs that are not live.
func (a *assumptions) keep(live map[types.UID]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uid := range a.jobs {
		if !live[uid] {
			delete(a.jobs, uid)
		}
	}
	for uid := range a.refusals {
		if !live[uid] {
			delete(a.refusals, uid)
		}
	}
}
