package features

import (
	"cmp"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

const (
	// Window is how many runs a group keeps: enough for a p90, few enough to follow drift.
	Window = 64
	// MaxGroups bounds the memory of a State. When there are more, the eighth that
	// has been silent for longest is dropped; their jobs fall back on coarser groups.
	MaxGroups = 1 << 19
)

// State is all that features remember of the past. It is not safe for concurrent
// use; any number of readers may share it while nobody observes.
type State struct {
	groups map[Key]*Group
	runs   uint64 // observed so far
}

// A Group is the latest runs of the jobs that have a Key in common.
type Group struct {
	Runs  []*Run // in order of observation, at most Window
	Count int    // runs observed, those beyond the window included
	last  uint64 // value of State.runs at the latest one
}

// NewState returns a State that has seen nothing.
func NewState() *State { return &State{groups: map[Key]*Group{}} }

// Len returns how many groups there are.
func (s *State) Len() int { return len(s.groups) }

// Group returns the group of a key, nil if none of its jobs has finished.
func (s *State) Group(k Key) *Group {
	if k == 0 {
		return nil
	}
	return s.groups[k]
}

// Observe adds a finished run to all its groups. A record of an ID that its
// finest group still remembers replaces that run, so that observing a record
// twice changes nothing. It returns the run and whether it is new; nil if the
// record tells nothing (the job never ran).
// Before a new run is added, before is called with it.
func (s *State) Observe(r *predictor.JobRecord, keys *Keys, before func(*Run, *Keys)) (run *Run, added bool) {
	run = NewRun(r)
	if run == nil {
		return nil, false
	}
	if old := s.find(r.ID, keys); old != nil {
		run.sequence = old.sequence
		*old = *run
		return old, false
	}
	before(run, keys)
	s.runs++
	run.sequence = s.runs
	for _, k := range keys {
		if k == 0 {
			continue
		}
		g := s.groups[k]
		if g == nil {
			g = &Group{}
			s.groups[k] = g
		}
		g.add(run)
		g.last = s.runs
	}
	if len(s.groups) > MaxGroups {
		s.forget()
	}
	return run, true
}

// find returns the run of an ID from the finest group that the keys name.
func (s *State) find(id string, keys *Keys) *Run {
	for _, k := range keys {
		if k == 0 {
			continue
		}
		if g := s.groups[k]; g != nil {
			for _, run := range g.Runs {
				if run.ID == id {
					return run
				}
			}
		}
		return nil
	}
	return nil
}

func (g *Group) add(run *Run) {
	g.Count++
	if len(g.Runs) == Window {
		copy(g.Runs, g.Runs[1:])
		g.Runs[Window-1] = run
		return
	}
	g.Runs = append(g.Runs, run)
}

// forget drops the groups that have been silent for longest.
func (s *State) forget() {
	last := make([]uint64, 0, len(s.groups))
	for _, g := range s.groups {
		last = append(last, g.last)
	}
	slices.SortFunc(last, cmp.Compare)
	before := last[len(last)/8]
	for k, g := range s.groups {
		if g.last < before {
			delete(s.groups, k)
		}
	}
}

// At calls yield for the runs of a group that had finished at t, newest first,
// until it returns false. The zero t takes them all.
func (g *Group) At(t time.Time, yield func(*Run) bool) {
	for i := len(g.Runs) - 1; i >= 0; i-- {
		if run := g.Runs[i]; t.IsZero() || !run.Finished.After(t) {
			if !yield(run) {
				return
			}
		}
	}
}
