package scheduler

import (
	"slices"
	"time"
)

// settle puts what runs on the board, first what is bound to nodes, then the pods
// that have been released and are not bound yet.
func (pl *planner) settle() {
	var loose []*Running
	for i := range pl.Running {
		r := &pl.Running[i]
		request := pl.board.dense(r.Request)
		nodes := make([]int, 0, len(r.Pods))
		for _, n := range r.Pods {
			if n >= 0 && n < len(pl.Nodes) {
				nodes = append(nodes, n)
			}
		}
		if len(nodes) < len(r.Pods) {
			loose = append(loose, r)
		}
		slices.Sort(nodes)
		pl.occupy(r, nodes, request)
	}
	for _, r := range loose {
		for _, n := range r.Pods {
			if n < 0 || n >= len(pl.Nodes) {
				pl.settlePod(r)
			}
		}
	}
}

// occupy puts pods of a running job on the board.
func (pl *planner) occupy(r *Running, nodes []int, request []int64) {
	if r.Foreign {
		each(nodes, func(n, pods int32) {
			pl.board.add(n, request, -pods)
			add(pl.board.of(pl.lasting, n), request, -pods)
		})
		return
	}
	pl.charge(r.Queue, request, len(nodes))
	pl.occupants = append(pl.occupants, occupant{nodes, request, r.Remaining, &r.ID})
	pl.board.start(nodes, request, restOf(r), &r.ID)
}

// settlePod finds room for one pod that kube-scheduler has yet to bind, now or as
// early as possible: on a node that the pod prefers, if there is room. If there never
// is any, the pod takes none from others.
func (pl *planner) settlePod(r *Running) {
	j := &job{Pending: &Pending{ID: r.ID, Class: r.Class, Runtime: r.Remaining}, name: trimID(r.ID),
		pods: 1, request: pl.board.dense(r.Request), p90: restOf(r)}
	j.part = share(j.request, 1, pl.board.largest)
	j.large = j.part >= pl.policy.LargeShare
	for i, n := range r.Preferred {
		if nodes := r.Preferred[i : i+1]; n >= 0 && n < len(pl.Nodes) && pl.board.allows(r.Class, int32(n)) && pl.board.has(nodes, j.request) {
			pl.occupy(r, nodes, j.request)
			return
		}
	}
	if nodes, _ := pl.board.place(j, j.p90); nodes != nil {
		pl.occupy(r, nodes, j.request)
	} else if res := pl.board.earliest(j); res != nil && !r.Foreign {
		res.name = j.name
		pl.board.keep(res)
	}
}

// restOf is the time until which a running job is planned to run: an overrun
// extends the plan, so it is never now.
func restOf(r *Running) time.Duration {
	if r.Foreign || r.Remaining.IsZero() {
		return eventually
	}
	return max(r.Remaining.P90, 1)
}
