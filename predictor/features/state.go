package features

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/runcast/runcast/predictor"
)

const (
	// Window is how many runs of a group make an estimate: enough for a p90, few
	// enough to follow drift.
	Window = 64
	// memory is how many runs a group keeps, so that it can be seen as it was when a
	// job was submitted that has finished since.
	memory = 1024
	// MaxGroups bounds the memory of a State. When there are more, the eighth that
	// has been silent for longest is dropped; their jobs fall back on coarser groups.
	MaxGroups = 1 << 19
)

// State is all that features remember of the past. It is not safe for concurrent
// use; any number of readers may share it while nobody observes.
type State struct {
	groups map[Key]*Group
	runs   uint64 // observed so far
	knows  [NumTargets]bool
}

// A Group is the latest runs of the jobs that have a Key in common.
type Group struct {
	Runs  []*Run   // in order of observation, at most memory
	ids   []uint32 // hashes of their IDs: most records are of none of them
	Count int      // runs observed, those beyond the window included
	last  uint64   // value of State.runs at the latest one
	// templates are those of its jobs, if it is a group in which they are looked for.
	templates []template
}

// NewState returns a State that has seen nothing.
func NewState() *State { return &State{groups: map[Key]*Group{}} }

// Len returns how many groups there are.
func (s *State) Len() int { return len(s.groups) }

// Knows reports whether any run has told of a target.
func (s *State) Knows(t Target) bool { return s.knows[t] }

func (s *State) learnOf(run *Run) {
	for t, v := range run.Values {
		s.knows[t] = s.knows[t] || v.Known
	}
}

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
func (s *State) Observe(r *predictor.JobRecord, keys *Keys, before func(*Run)) (run *Run, added bool) {
	run = newRun(r)
	if run == nil {
		return nil, false
	}
	if old := s.find(r.ID, keys); old != nil {
		run.Sequence = old.Sequence
		*old = *run
		s.learnOf(run)
		return old, false
	}
	before(run)
	s.learnOf(run)
	s.runs++
	run.Sequence = s.runs
	id := hashID(run.ID)
	for _, k := range keys {
		if k == 0 {
			continue
		}
		g := s.groups[k]
		if g == nil {
			g = &Group{}
			s.groups[k] = g
		}
		g.add(run, id)
		g.Count++
		g.last = s.runs
	}
	if g := s.Group(keys[levelTemplate]); g != nil && g.Count == 1 {
		s.introduce(&r.JobSpec, keys)
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
			return g.find(id)
		}
		return nil
	}
	return nil
}

func (g *Group) find(id string) *Run {
	h := hashID(id)
	for i, have := range g.ids {
		if have == h && g.Runs[i].ID == id {
			return g.Runs[i]
		}
	}
	return nil
}

// add remembers a run, and forgets the oldest if there are too many.
func (g *Group) add(run *Run, id uint32) {
	excess := max(len(g.Runs)-memory+1, 0)
	g.Runs = append(g.Runs[excess:], run)
	g.ids = append(g.ids[excess:], id)
}

func hashID(id string) uint32 { return uint32(fnvOffset.text(id)) }

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

// A View is what the groups of a job remember, by level: the latest runs that had
// finished at some time, at most Window, in order of observation.
type View [NumLevels][]*Run

// View returns what the groups of a job remembered at t; the zero t is now. Of a group
// that has forgotten all runs that had finished then, the oldest it remembers stand in.
// If no run of the job's template had finished, LevelNearest has those of other templates
// whose names are nearest to it.
func (s *State) View(j *predictor.JobSpec, keys *Keys, t time.Time) View {
	var v View
	for level, k := range keys {
		if g := s.Group(k); g != nil {
			v[level] = g.at(t, Window)
		}
	}
	if keys[levelTemplate] != 0 && len(v[levelTemplate]) == 0 {
		v[LevelNearest] = s.nearest(j, keys, t)
	}
	return v
}

// Latest returns what a group remembered at t, as View does, but up to most runs.
func (s *State) Latest(k Key, t time.Time, most int) []*Run {
	if g := s.Group(k); g != nil {
		return g.at(t, most)
	}
	return nil
}

func (g *Group) at(t time.Time, most int) []*Run {
	n := len(g.Runs)
	if !t.IsZero() {
		n = g.finished(t)
		if n == 0 && g.Count > len(g.Runs) {
			n = min(most, len(g.Runs))
		}
	}
	return g.Runs[max(n-most, 0):n]
}

// finished returns how many of the remembered runs had finished at t. Most often
// that is nearly all of them: it looks back in steps that double.
func (g *Group) finished(t time.Time) int {
	low, high := len(g.Runs), len(g.Runs)
	for step := 1; low > 0 && g.Runs[low-1].Finished.After(t); step *= 2 {
		low, high = max(low-step, 0), low-1
	}
	return low + sort.Search(high-low, func(i int) bool { return g.Runs[low+i].Finished.After(t) })
}
