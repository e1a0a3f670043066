package promql

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor"
)

// clockSkew is by how much a pod's creation, a time of the API server, may seem to
// precede its job's start, one of the job controller. As in collector/kube.
const clockSkew = 5 * time.Second

// A pod is what kube-state-metrics said of one attempt. The maps are by container.
type pod struct {
	namespace, name, uid, node string
	created, started, finished time.Time
	requests, limits           map[string]predictor.Resources
	images                     map[string]string
	oomKilled                  map[string]bool
	restarts                   map[string]int
	evicted                    bool
	unanswered                 bool // the server refused to say anything about it
}

var podFields = []field[pod]{
	{"pod_created", func(p *pod, r row) { p.created = r.time() }},
	{"pod_started", func(p *pod, r row) { p.started = r.time() }},
	{"pod_completed", func(p *pod, r row) { p.finished = r.time() }},
	{"pod_node", func(p *pod, r row) { p.node = r.label("node") }},
	{"pod_requests", func(p *pod, r row) { setResource(&p.requests, r) }},
	{"pod_limits", func(p *pod, r row) { setResource(&p.limits, r) }},
	{"pod_images", func(p *pod, r row) { set(&p.images, r.container, cmp.Or(r.label("image_spec"), r.label("image"))) }},
	{"pod_oom_killed", func(p *pod, r row) { set(&p.oomKilled, r.container, true) }},
	{"pod_restarts", func(p *pod, r row) { set(&p.restarts, r.container, int(r.value)) }},
	{"pod_evicted", func(p *pod, r row) { p.evicted = true }},
}

// set makes the map where there is none.
func set[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// setResource takes in one resource of one container. kube-state-metrics writes
// resource names with underscores; what counts as a GPU is as in predictor/jobspec.
func setResource(m *map[string]predictor.Resources, r row) {
	have := (*m)[r.container]
	switch name := r.label("resource"); {
	case name == "cpu":
		have.CPUCores = amount(r.value)
	case name == "memory":
		have.Memory = memory(r.value)
	case strings.HasSuffix(name, "_gpu"), strings.HasPrefix(name, "nvidia_com_mig_"):
		have.GPUs = amount(r.value)
	default:
		return
	}
	set(m, r.container, have)
}

// podsOf finds the pods of jobs, given by name and the time from the start of the job
// controller's work to its end, and what is known of them; in order of start. A pod
// created before belongs to an earlier job of the same name, or to before a
// suspension, and is left out.
func (s *Source) podsOf(ctx context.Context, jobs []item) ([][]pod, error) {
	found := make([][]pod, len(jobs)) // by place in jobs
	places := slices.Clone(jobs)
	for i := range places {
		places[i].index = i
	}
	err := s.each(ctx, places, func(ctx context.Context, batch []item) error {
		sc := s.scopeOf(batch)
		rows, err := s.ask(ctx, "job_pods", sc)
		if err != nil {
			return err
		}
		index := map[string]int{}
		for _, it := range batch {
			index[it.name] = it.index
			found[it.index] = nil
		}
		for _, r := range rows {
			if i, ok := index[r.label("owner_name")]; ok {
				found[i] = append(found[i], pod{namespace: r.namespace, name: r.pod, uid: r.label("uid")})
			}
		}
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}

	var items []item
	var all []pod
	for i, pods := range found {
		slices.SortFunc(pods, func(a, b pod) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(b.uid, a.uid)) })
		// One Prometheus may drop uid and another keep it.
		pods = slices.CompactFunc(pods, func(a, b pod) bool { return a.name == b.name })
		for _, p := range pods {
			items = append(items, item{p.namespace, p.name, jobs[i].start, jobs[i].end, len(all)})
			all = append(all, p)
		}
		found[i] = pods
	}
	err = s.each(ctx, items, func(ctx context.Context, batch []item) error {
		return gather(ctx, s, s.scopeOf(batch), batch, podKey, podFields, all)
	}, func(it item) { all[it.index].unanswered = true })
	if err != nil {
		return nil, err
	}

	for i := range found {
		n := len(found[i])
		found[i], all = all[:n:n], all[n:]
		found[i] = slices.DeleteFunc(found[i], func(p pod) bool {
			return !p.created.IsZero() && (p.created.Before(jobs[i].start.Add(-clockSkew)) || p.created.After(jobs[i].end))
		})
		slices.SortStableFunc(found[i], func(a, b pod) int { return a.started.Compare(b.started) })
	}
	return found, nil
}

// total is what the pod's containers ask for together; limits stand in for requests,
// as the API server sets those where only limits are given. Init containers and
// overhead are not in kube-state-metrics' requests.
func (p *pod) total() predictor.Resources {
	var sum predictor.Resources
	asked := p.requests
	if len(asked) == 0 {
		asked = p.limits
	}
	for _, r := range asked {
		sum.CPUCores += r.CPUCores
		sum.Memory += r.Memory
		sum.GPUs += r.GPUs
	}
	return sum
}

// image is that of the main container. kube-state-metrics does not tell the order of
// containers; main is which asks for most: of GPUs, else of memory, else of CPU, else
// the first by name.
func (p *pod) image() string {
	main := ""
	for name := range p.images {
		a, b := p.requests[name], p.requests[main]
		if main == "" || cmp.Or(cmp.Compare(a.GPUs, b.GPUs), cmp.Compare(a.Memory, b.Memory), cmp.Compare(a.CPUCores, b.CPUCores), cmp.Compare(main, name)) > 0 {
			main = name
		}
	}
	return p.images[main]
}

// lifecycle is the pod in the collector's words.
func (p *pod) lifecycle() collector.Pod {
	out := collector.Pod{Name: p.name, UID: p.uid, Node: p.node, Started: p.started}
	if !p.started.IsZero() && !p.finished.Before(p.started) {
		out.Finished = p.finished
	}
	return out
}

// memory is a number of bytes, zero if it is not plausible.
func memory(v float64) predictor.Bytes {
	if v > 0 && v <= float64(predictor.MaxMemory) {
		return predictor.Bytes(v)
	}
	return 0
}

// amount is a number of cores or GPUs, zero if it is not plausible.
func amount(v float64) float64 {
	if v > 0 && v <= predictor.MaxCores {
		return v
	}
	return 0
}
