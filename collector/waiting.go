package collector

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// maxWaiting bounds the jobs that wait for their usage in memory, some 3 KiB
	// each; beyond it the one that ended first is left to the history source.
	maxWaiting = 10_000
	// maxWait is how long a job waits while the usage source is down, from when it
	// was first due; then it, too, is left to the history source.
	maxWait = 24 * time.Hour
)

// waiting are the jobs whose usage is to be asked for. It is safe for concurrent use.
type waiting struct {
	mu   sync.Mutex
	jobs map[string]*waiter // by ID
}

type waiter struct {
	Finished
	first, due time.Time
	retry      time.Duration
}

func newWaiting() *waiting { return &waiting{jobs: map[string]*waiter{}} }

func (w *waiting) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.jobs)
}

// add lets a job wait until due; it reports whether another one had to go for it.
func (w *waiting) add(f Finished, due, now time.Time) (dropped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if due.Before(now) {
		due = now
	}
	w.jobs[f.Record.ID] = &waiter{Finished: f, first: due, due: due, retry: firstRetry}
	if len(w.jobs) <= maxWaiting {
		return false
	}
	oldest := f.Record.ID
	for id, j := range w.jobs {
		if j.Record.Finished.Before(w.jobs[oldest].Record.Finished) {
			oldest = id
		}
	}
	delete(w.jobs, oldest)
	return true
}

// due returns at most limit jobs whose time has come, the one that has waited
// longest first. They stay until they are removed.
func (w *waiting) due(now time.Time, limit int) []Finished {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []*waiter
	for _, j := range w.jobs {
		if !j.due.After(now) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b *waiter) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.Record.ID, b.Record.ID))
	})
	var out []Finished
	for _, j := range due[:min(limit, len(due))] {
		out = append(out, j.Finished)
	}
	return out
}

// postpone lets jobs wait for another try, each time for longer, and others come
// first meanwhile. It returns how many have waited too long and are given up.
func (w *waiting) postpone(jobs []Finished, now time.Time) (given int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range jobs {
		j := w.jobs[f.Record.ID]
		switch {
		case j == nil: // dropped for another
		case now.Sub(j.first) > maxWait:
			delete(w.jobs, f.Record.ID)
			given++
		default:
			j.due, j.retry = now.Add(j.retry), min(2*j.retry, lastRetry)
		}
	}
	return given
}

// remove forgets jobs.
func (w *waiting) remove(jobs []Finished) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range jobs {
		delete(w.jobs, f.Record.ID)
	}
}
