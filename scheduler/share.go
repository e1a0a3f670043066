package scheduler

import (
	"maps"
	"slices"
)

// A Share is what the jobs of one queue have of the cluster.
type Share struct {
	Queue  string
	Weight float64 // 1 if Snapshot.Weights does not name it
	// Dominant is the queue's part of Resource, of which it has the largest part: what
	// fairness compares, over the weight. Pods released and not yet bound count.
	Dominant         float64
	Resource         int // index in Snapshot.Resources; -1 if nothing of the queue runs
	Running, Waiting int // jobs
}

// Shares tells what each queue has that has a job or a weight, by name. Jobs without a
// queue have no share.
func Shares(s *Snapshot) []Share {
	w := newSite(&Snapshot{Resources: s.Resources, Nodes: s.Nodes})
	queues := map[string]*Share{}
	of := func(queue string) *Share {
		q := queues[queue]
		if q == nil {
			q = &Share{Queue: queue, Weight: 1, Resource: -1}
			queues[queue] = q
		}
		return q
	}
	for queue, weight := range s.Weights {
		of(queue).Weight = weight
	}
	for _, j := range s.Pending {
		of(j.Queue).Waiting++
	}
	used := map[string][]int64{}
	counted := map[string]bool{} // a job may be several elements of Running
	for _, r := range s.Running {
		if r.Foreign {
			continue
		}
		if !counted[r.ID] {
			of(r.Queue).Running++
			counted[r.ID] = true
		}
		if used[r.Queue] == nil {
			used[r.Queue] = make([]int64, w.dims)
		}
		add(used[r.Queue], w.dense(r.Request), int32(len(r.Pods)))
	}
	delete(queues, "")
	shares := make([]Share, 0, len(queues))
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		q := queues[queue]
		for r, u := range used[queue] {
			if part := float64(u) / float64(w.total[r]); w.total[r] > 0 && part > q.Dominant {
				q.Dominant, q.Resource = part, r
			}
		}
		shares = append(shares, *q)
	}
	return shares
}
