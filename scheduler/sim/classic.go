package sim

import (
	"cmp"
	"slices"
	"time"
)

// listed is a list-scheduling policy for one resource: the waiting tasks in the
// order of head, one after the other; with block, up to the first that does not
// fit. With tail, that one has a reservation (EASY), and others start in the order
// of tail if they do not delay it.
type listed struct {
	head, tail func(a, b *task) int
	block      bool
	correct    bool // correct outlived estimates in published steps
}

func (p *listed) dispatch(r *run, now time.Duration) ([]*task, error) {
	free := r.free()
	queue := slices.SortedFunc(slices.Values(r.waiting), p.head)
	var starts []*task
	for len(queue) > 0 && (queue[0].units <= free || !p.block) {
		t := queue[0]
		queue = queue[1:]
		if t.units <= free {
			free -= t.units
			starts = append(starts, t)
		}
	}
	if p.tail == nil || len(queue) < 2 || free == 0 {
		return starts, nil
	}

	ends, err := r.expectedEnds(now, p.correct)
	if err != nil {
		return nil, err
	}
	for _, t := range starts {
		ends = append(ends, release{now + t.point(), t.units})
	}
	slices.SortFunc(ends, func(a, b release) int { return cmp.Compare(a.at, b.at) })
	shadow, extra := now, free
	for _, e := range ends {
		if extra >= queue[0].units && e.at > shadow {
			break
		}
		shadow, extra = e.at, extra+e.units
	}
	extra -= queue[0].units

	rest := slices.SortedFunc(slices.Values(queue[1:]), p.tail)
	for _, t := range rest {
		if t.units > free || now+t.point() > shadow && t.units > extra {
			continue
		}
		if now+t.point() > shadow {
			extra -= t.units
		}
		free -= t.units
		starts = append(starts, t)
	}
	return starts, nil
}

// free is how many processors no running task has.
func (r *run) free() int64 {
	free := r.Cluster.processors
	for _, t := range r.running {
		free -= t.units
	}
	return free
}

// A release is when a running task is expected to free its processors.
type release struct {
	at    time.Duration
	units int64
}

func (r *run) expectedEnds(now time.Duration, correct bool) ([]release, error) {
	ends := make([]release, 0, len(r.running)+4)
	for _, t := range r.running {
		elapsed := now - t.start
		if correct && !t.estimate.Runtime.IsZero() {
			ends = append(ends, release{t.start + corrected(t.point(), elapsed, t.RuntimeLimit), t.units})
			continue
		}
		q, err := r.Predictor.Remaining(t.Job, &t.estimate, elapsed)
		if err != nil {
			return nil, err
		}
		end := release{now + q.P50, t.units}
		if q.IsZero() {
			end.at = never / 2
		}
		ends = append(ends, end)
	}
	return ends, nil
}

// conservative gives every waiting task, in order of submission, the earliest
// room that delays none before it, and starts those whose room is now.
type conservative struct{}

// A step is the free processors from a time on.
type step struct {
	at   time.Duration
	free int64
}

func (conservative) dispatch(r *run, now time.Duration) ([]*task, error) {
	ends, err := r.expectedEnds(now, false)
	if err != nil {
		return nil, err
	}
	profile := []step{{now, r.free()}}
	for _, e := range ends {
		profile = changed(profile, e.at, never, e.units)
	}
	var starts []*task
	for _, t := range r.waiting {
		at := earliest(profile, t.units, t.point())
		profile = changed(profile, at, at+t.point(), -t.units)
		if at == now {
			starts = append(starts, t)
		}
	}
	return starts, nil
}

// earliest is the first time from which units are free for d.
func earliest(profile []step, units int64, d time.Duration) time.Duration {
	from := 0
	for i, s := range profile {
		if s.free < units {
			from = i + 1
		} else if i == len(profile)-1 || profile[i+1].at >= profile[from].at+d {
			return profile[from].at
		}
	}
	return never / 2
}

// changed adds units to what is free in [from, to).
func changed(profile []step, from, to time.Duration, units int64) []step {
	cut := func(at time.Duration) int {
		i, found := slices.BinarySearchFunc(profile, at, func(s step, at time.Duration) int { return cmp.Compare(s.at, at) })
		if !found {
			profile = slices.Insert(profile, i, step{at, profile[i-1].free})
		}
		return i
	}
	first, last := cut(from), len(profile)
	if to < never {
		last = cut(to)
	}
	for i := first; i < last; i++ {
		profile[i].free += units
	}
	return profile
}
