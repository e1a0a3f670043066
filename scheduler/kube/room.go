package kube

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// A room gathers who holds what on the nodes, then writes it as a Snapshot: only
// when all is known do the Vectors have their dimensions.
type room struct {
	now     time.Time
	nodes   []*corev1.Node
	index   map[string]int // of a node, by name
	classes *classes
	holders []holder
	// strangers are pods that are no Job's, by node, added up: nobody knows when
	// one of them ends.
	strangers []amounts
}

// A holder is a scheduler.Running in the making.
type holder struct {
	scheduler.Running
	request amounts
}

func newRoom(now time.Time, nodes []*corev1.Node, c *classes) *room {
	r := &room{now: now, nodes: nodes, index: make(map[string]int, len(nodes)), classes: c, strangers: make([]amounts, len(nodes))}
	for i, n := range nodes {
		r.index[n.Name] = i
	}
	return r
}

const unbound = -1

// seat says where a pod holds room: the index of its node, or unbound with the
// class of nodes it may go to; !ok if it holds none. A pod that is not ours and
// that kube-scheduler finds no node for holds none either.
func (r *room) seat(f *podFacts, ours bool) (node, class int, ok bool) {
	if f.node != "" {
		node, ok = r.index[f.node] // a pod on a node that is gone holds nothing
		return node, 0, ok
	}
	grace := time.Duration(0)
	if ours {
		grace = UnplacedGrace
	}
	if f.gated || !f.leaving.IsZero() || !f.unplaced.IsZero() && r.now.Sub(f.unplaced) >= grace {
		return 0, 0, false
	}
	return unbound, r.classes.index(&f.placement), true
}

// leaves is how long a pod that is being deleted stays.
func (r *room) leaves(f *podFacts) predictor.Quantiles[time.Duration] {
	return predictor.Exactly(max(f.leaving.Sub(r.now), leastLeft))
}

// job adds what a Job holds: its pods that have not ended, and those that are
// still to be created. A Job of another queue whose end can be foreseen is planned
// like one of ours; otherwise it is as foreign as any pod.
func (r *room) job(f *jobFacts, ours bool, pods []*podFacts, unborn int, started time.Time, left predictor.Quantiles[time.Duration]) {
	first, queue := len(r.holders), ""
	if ours {
		queue = f.spec.Queue
	}
	add := func(node, class int, preferred []string, request amounts, left predictor.Quantiles[time.Duration]) {
		nodes := r.indexes(preferred)
		for i := first; i < len(r.holders); i++ {
			h := &r.holders[i]
			if h.Class == class && h.Remaining == left && (h.Pods[0] == unbound) == (node == unbound) &&
				slices.Equal(h.Preferred, nodes) && maps.Equal(h.request, request) {
				h.Pods = append(h.Pods, node)
				return
			}
		}
		r.holders = append(r.holders, holder{scheduler.Running{
			ID: f.id, Queue: queue, Foreign: !ours && left.IsZero(), Pods: []int{node}, Class: class, Preferred: nodes, Started: started.UTC(), Remaining: left,
		}, request})
	}
	for _, p := range pods {
		node, class, ok := r.seat(p, ours)
		switch {
		case !ok:
		case p.leaving.IsZero():
			add(node, class, p.preferred, p.request, left)
		default:
			add(node, class, p.preferred, p.request, r.leaves(p))
		}
	}
	if unborn > 0 {
		class := r.classes.index(&f.placement)
		for range unborn {
			add(unbound, class, f.preferred, f.request, left)
		}
	}
	for i := first; i < len(r.holders); i++ {
		slices.Sort(r.holders[i].Pods)
	}
}

// stranger adds a pod that is no Job's.
func (r *room) stranger(f *podFacts) {
	node, class, ok := r.seat(f, false)
	switch {
	case !ok:
	case node == unbound:
		r.holders = append(r.holders, holder{scheduler.Running{ID: "a pod not yet placed", Foreign: true, Pods: []int{unbound}, Class: class}, f.request})
	case !f.leaving.IsZero():
		r.holders = append(r.holders, holder{scheduler.Running{
			ID: "a pod leaving " + f.node, Pods: []int{node}, Started: f.started.UTC(), Remaining: r.leaves(f),
		}, f.request})
	default:
		if r.strangers[node] == nil {
			r.strangers[node] = amounts{}
		}
		r.strangers[node].add(f.request)
	}
}

// fill writes nodes, running and pending jobs into the snapshot.
func (r *room) fill(s *scheduler.Snapshot, waiting []*pending) {
	slices.SortStableFunc(r.holders, func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Pods[0], b.Pods[0]), cmp.Compare(a.Class, b.Class))
	})
	requests := make([]amounts, 0, len(r.strangers)+len(r.holders)+len(waiting))
	requests = append(requests, r.strangers...)
	for _, h := range r.holders {
		requests = append(requests, h.request)
	}
	for _, p := range waiting {
		requests = append(requests, p.request())
	}
	d := dimensionsOf(r.nodes, requests)
	s.Resources = d
	s.Nodes = make([]scheduler.Node, 0, len(r.nodes))
	s.Running = make([]scheduler.Running, 0, len(r.nodes)+len(r.holders))
	s.Pending = make([]scheduler.Pending, 0, len(waiting))
	for _, n := range r.nodes {
		s.Nodes = append(s.Nodes, scheduler.Node{Name: n.Name, Capacity: d.vector(amountsOf(n.Status.Allocatable))})
	}
	for i, a := range r.strangers {
		if a != nil {
			s.Running = append(s.Running, scheduler.Running{ID: "other pods on " + r.nodes[i].Name, Foreign: true, Request: d.vector(a), Pods: []int{i}})
		}
	}
	for _, h := range r.holders {
		h.Request = d.vector(h.request)
		s.Running = append(s.Running, h.Running)
	}
	for _, p := range waiting {
		s.Pending = append(s.Pending, scheduler.Pending{
			ID: p.facts.id, Namespace: p.job.Namespace, Name: p.job.Name, Queue: p.facts.spec.Queue,
			Tier:          p.facts.spec.Priority,
			Submitted:     waitsSince(p.job),
			Pods:          gang(p.job),
			Request:       d.vector(p.request()),
			Class:         r.classes.index(&p.facts.placement),
			Runtime:       p.estimate.Runtime,
			Mean:          p.estimate.MeanRuntime,
			ReservedStart: p.reserved.start,
			ReservedNodes: r.indexes(p.reserved.nodes),
			Deadline:      p.facts.deadline.UTC(),
			EarliestStart: latest(p.facts.earliest, p.refusal.until).UTC(),
		})
	}
}

// indexes are the nodes of these names; nil if one is gone.
func (r *room) indexes(names []string) []int {
	var nodes []int
	for _, name := range names {
		n, ok := r.index[name]
		if !ok {
			return nil
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
