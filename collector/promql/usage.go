package promql

import (
	"context"
	"slices"
	"time"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor"
)

// Usage implements collector.UsageSource. Pods that a job does not list are looked
// up by its name. The error is ErrPartial or ErrRefused, or says what else stood in
// the way; a job for which the server answers no query, however small, has
// QualityNone, and so has one that never started.
func (s *Source) Usage(ctx context.Context, jobs []collector.Finished) ([]predictor.Usage, error) {
	pods, err := s.podItems(ctx, jobs)
	if err != nil {
		return nil, err
	}
	var items []item
	owner := []int{} // of items, an index of jobs
	for i := range pods {
		for _, it := range pods[i] {
			it.index = len(items)
			items = append(items, it)
			owner = append(owner, i)
		}
	}
	all := make([]measured, len(items))
	if err := s.each(ctx, items, func(ctx context.Context, batch []item) error {
		return s.measure(ctx, batch, all)
	}, func(it item) { all[it.index].unanswered = true }); err != nil {
		return nil, err
	}
	if err := s.measureGPUs(ctx, items, owner, all); err != nil {
		return nil, err
	}

	out := make([]predictor.Usage, len(jobs))
	for i := range jobs {
		n := len(pods[i])
		out[i] = usage(jobs[i].FromAPI, all[:n], s.scrape())
		all = all[n:]
	}
	return out, nil
}

// podItems are the pods of each job with the time in which they have samples: their
// own as far as it is known, else the job's.
func (s *Source) podItems(ctx context.Context, jobs []collector.Finished) ([][]item, error) {
	out := make([][]item, len(jobs))
	var unknown []item // jobs that list no pods
	for i := range jobs {
		r := &jobs[i].Record
		if r.Started.IsZero() {
			continue
		}
		for _, p := range jobs[i].Pods {
			out[i] = append(out[i], podItem(r, p))
		}
		if len(jobs[i].Pods) == 0 {
			unknown = append(unknown, item{r.Namespace, r.Name, r.Started, r.Finished, i})
		}
	}
	if len(unknown) == 0 {
		return out, nil
	}
	found, err := s.podsOf(ctx, unknown)
	if err != nil {
		return nil, err
	}
	for k, it := range unknown {
		for _, p := range found[k] {
			out[it.index] = append(out[it.index], podItem(&jobs[it.index].Record, p.lifecycle()))
		}
	}
	return out, nil
}

func podItem(r *predictor.JobRecord, p collector.Pod) item {
	it := item{namespace: r.Namespace, name: p.Name, start: p.Started, end: p.Finished}
	if it.start.IsZero() {
		it.start = r.Started
	}
	if it.end.IsZero() {
		it.end = later(r.Finished, it.start)
	}
	return it
}

// measured is what the samples say of one pod.
type measured struct {
	ran        time.Duration
	containers map[string]*container
	peakCores  float64
	busyCores  float64
	gpus       map[gpu]*gpuUse
	unanswered bool // the server refused to say anything about it
}

// A container's numbers are by the label id, which tells its instances apart.
type container struct {
	init               bool
	samples            float64
	workingSet         float64 // bytes
	kernel, cache, cpu map[string]float64
}

func (m *measured) container(r row) *container {
	if m.containers == nil {
		m.containers = map[string]*container{}
	}
	c := m.containers[r.container]
	if c == nil {
		c = &container{}
		m.containers[r.container] = c
	}
	return c
}

var usageFields = []field[measured]{
	{"init_containers", func(m *measured, r row) { m.container(r).init = true }},
	{"usage_samples", func(m *measured, r row) { m.container(r).samples = r.value }},
	{"working_set_peak", func(m *measured, r row) { m.container(r).workingSet = r.value }},
	{"kernel_peak", func(m *measured, r row) { set(&m.container(r).kernel, r.label("id"), r.value) }},
	{"cache_peak", func(m *measured, r row) { set(&m.container(r).cache, r.label("id"), r.value) }},
	{"cpu_seconds", func(m *measured, r row) { set(&m.container(r).cpu, r.label("id"), r.value) }},
	{"peak_cores", func(m *measured, r row) { m.peakCores = r.value }},
	{"busy_cores", func(m *measured, r row) { m.busyCores = r.value }},
	{"gpu_devices", func(m *measured, r row) { m.gpu(r) }},
}

// measure fills in what the samples say of the pods of a batch. Pods whose name
// stood for several in the batch's window are asked about one at a time, in exactly
// their own.
func (s *Source) measure(ctx context.Context, batch []item, out []measured) error {
	sc := s.scopeOf(batch)
	rows, err := s.ask(ctx, "pods_reused", sc)
	if err != nil {
		return err
	}
	reused := map[string]bool{}
	for _, r := range rows {
		reused[r.pod] = true
	}
	var once []item
	for _, it := range batch {
		out[it.index] = measured{ran: it.span()}
		if !reused[it.name] {
			once = append(once, it)
			continue
		}
		if err := s.measureIn(ctx, exactly(it), []item{it}, out); err != nil {
			return err
		}
	}
	if len(once) == 0 {
		return nil
	}
	return s.measureIn(ctx, s.scopeOf(once), once, out)
}

func (s *Source) measureIn(ctx context.Context, sc scope, items []item, out []measured) error {
	if err := gather(ctx, s, sc, items, podKey, usageFields, out); err != nil {
		return err
	}
	return s.countCPU(ctx, sc, items, out)
}

// countCPU counts the CPU seconds of pods whose series have no id: an instance's
// counter then continues that of the one before, from zero.
func (s *Source) countCPU(ctx context.Context, sc scope, items []item, out []measured) error {
	sc.names = nil
	index := map[string]int{}
	for _, it := range items {
		for _, c := range out[it.index].containers {
			if _, dropped := c.cpu[""]; dropped && index[it.name] == 0 {
				index[it.name] = it.index + 1
				sc.names = append(sc.names, it.name)
			}
		}
	}
	if len(sc.names) == 0 {
		return nil
	}
	slices.Sort(sc.names)
	rows, err := s.ask(ctx, "cpu_samples", sc)
	if err != nil {
		return err
	}
	// Replicas of a series differ in some label of theirs, instances of a container in
	// the label name, if that was kept: of the former the largest counts, the latter add up.
	sums := map[*container]map[string]float64{}
	for _, r := range rows {
		i := index[r.pod]
		if i == 0 {
			continue
		}
		c := out[i-1].container(r)
		byName := sums[c]
		set(&byName, r.label("name"), max(byName[r.label("name")], increase(&r)*s.templates["cpu_samples"].factor))
		sums[c] = byName
	}
	for c, byName := range sums {
		c.cpu = byName
	}
	return nil
}

// increase is what a counter that began at zero has counted, over its resets.
func increase(r *row) float64 {
	sum, last := 0.0, 0.0
	for _, p := range r.points {
		v := float64(p.Value)
		if v >= last {
			sum += v - last
		} else {
			sum += v
		}
		last = v
	}
	return sum
}
