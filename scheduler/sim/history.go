package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// ErrNoStarts is returned by AsItWas and NodesUsed if no job is known to have started.
var ErrNoStarts = errors.New("the history has no starts")

// AsItWas returns what really became of the jobs, on nodes that hold what the cluster
// does. Those of which it is not known when they started are left out.
func AsItWas(c Cluster, jobs []Job) (Result, error) {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j Job) bool { return j.Started.Before(j.Submitted) })
	r, err := newRun(Config{Cluster: c, Jobs: jobs, Policy: "fcfs"})
	if errors.Is(err, ErrNoJobs) {
		err = ErrNoStarts
	}
	if err != nil {
		return Result{}, err
	}
	for _, t := range r.tasks {
		t.start = t.Started.Sub(r.begin)
		t.end = t.start + t.Runtime
	}
	return r.result(), nil
}

// Since cuts jobs, in order of submission, at a time: later ones are those submitted
// then or afterwards.
func Since(jobs []Job, at time.Time) (earlier, later []Job) {
	i, _ := slices.BinarySearchFunc(jobs, at, func(j Job, at time.Time) int { return j.Submitted.Compare(at) })
	return jobs[:i], jobs[i:]
}

// Teach lets a predictor observe what had really ended by a time.
func Teach(p Predictor, jobs []Job, by time.Time) error {
	var ended []predictor.JobRecord
	for i := range jobs {
		j := &jobs[i]
		end := j.Started.Add(j.Runtime)
		if !j.Started.IsZero() && !end.After(by) {
			ended = append(ended, predictor.JobRecord{JobSpec: j.JobSpec, Started: j.Started, Finished: end,
				Outcome: predictor.Succeeded, Usage: predictor.Usage{PeakMemory: j.PeakMemory}})
		}
	}
	slices.SortStableFunc(ended, func(a, b predictor.JobRecord) int { return a.Finished.Compare(b.Finished) })
	for i := range ended {
		if err := p.Observe(&ended[i]); err != nil {
			return fmt.Errorf("job %s: %w", ended[i].ID, err)
		}
	}
	return nil
}

// NodesUsed returns nodes on which the jobs could have run when they did: for each GPU
// model, and for jobs without GPUs, nodes as large as the largest pod, of each resource
// the most, and as many as it takes if every pod goes to the first that has room. What
// the real nodes had beyond that cannot be seen from the jobs.
func NodesUsed(jobs []Job) ([]NodeGroup, error) {
	type kind struct {
		gpus  bool
		model string
	}
	groups := map[kind][]*Job{}
	for i := range jobs {
		j := &jobs[i]
		if !j.Started.IsZero() {
			k := kind{j.Requests.GPUs > 0, j.GPUModel}
			groups[k] = append(groups[k], j)
		}
	}
	var nodes []NodeGroup
	for k, jobs := range groups {
		g := NodeGroup{Name: "cpu", GPUModel: k.model}
		if k.gpus {
			g.Name = cmp.Or(k.model, "gpu")
		}
		for _, j := range jobs {
			g.CPUCores = max(g.CPUCores, j.Requests.CPUCores)
			g.Memory = max(g.Memory, j.Requests.Memory)
			g.GPUs = max(g.GPUs, j.Requests.GPUs)
		}
		g.Count = firstFit(g, jobs)
		nodes = append(nodes, g)
	}
	if len(nodes) == 0 {
		return nil, ErrNoStarts
	}
	slices.SortFunc(nodes, func(a, b NodeGroup) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.GPUModel, b.GPUModel))
	})
	return nodes, nil
}

// firstFit is how many nodes it takes if each pod goes, when its job really started, to
// the first node that has room.
func firstFit(node NodeGroup, jobs []*Job) int {
	one, err := NewCluster([]NodeGroup{node})
	if err != nil { // no amount is negative
		panic(err)
	}
	type event struct {
		at    time.Time
		start bool
		job   *Job
	}
	events := make([]event, 0, 2*len(jobs))
	for _, j := range jobs {
		events = append(events, event{j.Started, true, j}, event{j.Started.Add(j.Runtime), false, j})
	}
	slices.SortStableFunc(events, func(a, b event) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.start != b.start && !a.start {
			return -1
		}
		return 0
	})
	var free [][]int64
	on := map[*Job][]int{}
	for _, e := range events {
		request, pods := one.request(&e.job.JobSpec)
		if !e.start {
			for _, n := range on[e.job] {
				change(free[n], request, 1)
			}
			delete(on, e.job)
			continue
		}
		for range pods {
			n := slices.IndexFunc(free, func(room []int64) bool { return fits(room, request) })
			if n < 0 {
				n = len(free)
				free = append(free, slices.Clone([]int64(one.nodes[0].Capacity)))
			}
			change(free[n], request, -1)
			on[e.job] = append(on[e.job], n)
		}
	}
	return len(free)
}

func fits(room, request []int64) bool {
	for r, q := range request {
		if q > room[r] {
			return false
		}
	}
	return true
}

func change(room, request []int64, sign int64) {
	for r, q := range request {
		room[r] += sign * q
	}
}
