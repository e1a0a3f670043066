package promql

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// dcgm-exporter collects every 30 s by default and attributes what it has to the
	// pod that has the GPU when it is scraped: the first half minute may be another's.
	gpuTrim = 30 * time.Second
	// gpuShortest is the shortest run whose GPU numbers mean something.
	gpuShortest = 2 * gpuTrim
)

// A gpu is a device or, with an instance, a part of one (MIG).
type gpu struct{ uuid, instance string }

func gpuOf(r *row) gpu { return gpu{r.label("UUID"), r.label("GPU_I_ID")} }

// gpuUse is what one pod did with one GPU.
type gpuUse struct {
	utilization, engineActive *float64 // 0..1
	memory                    float64  // bytes
	shared                    bool     // with another pod at the same time
}

func (m *measured) gpu(r row) *gpuUse {
	if m.gpus == nil {
		m.gpus = map[gpu]*gpuUse{}
	}
	g := m.gpus[gpuOf(&r)]
	if g == nil {
		g = &gpuUse{}
		m.gpus[gpuOf(&r)] = g
	}
	return g
}

var gpuFields = []field[measured]{
	{"gpu_utilization", func(m *measured, r row) { m.gpu(r).utilization = &r.value }},
	{"gpu_memory_peak", func(m *measured, r row) { m.gpu(r).memory = r.value }},
}

var engineField = []field[measured]{
	{"gpu_engine_active", func(m *measured, r row) { m.gpu(r).engineActive = &r.value }},
}

// measureGPUs fills in what the pods with GPUs did with them. What is left out at the
// start depends on when each job began, so these are asked for job by job, over
// exactly its own time: few jobs have GPUs. owner is the job of each item.
func (s *Source) measureGPUs(ctx context.Context, items []item, owner []int, out []measured) error {
	byJob := map[int][]item{}
	for i, it := range items {
		if len(out[i].gpus) > 0 && !out[i].unanswered {
			byJob[owner[i]] = append(byJob[owner[i]], it)
		}
	}
	jobs := slices.Sorted(maps.Keys(byJob))
	return s.parallel(ctx, len(jobs), func(ctx context.Context, i int) error {
		// Pods of one job that do not overlap, as retries do, are apart.
		for _, batch := range overlapping(byJob[jobs[i]], s.cfg.MaxPods) {
			if err := s.divide(ctx, batch, func(ctx context.Context, batch []item) error {
				return s.measureGPU(ctx, batch, out)
			}, func(it item) { out[it.index].gpus = nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

// overlapping divides the pods of a job, by start, into groups of at most limit that
// begin within gpuTrim of each other.
func overlapping(items []item, limit int) [][]item {
	slices.SortStableFunc(items, func(a, b item) int { return a.start.Compare(b.start) })
	var out [][]item
	for _, it := range items {
		if n := len(out) - 1; n >= 0 && len(out[n]) < limit && it.start.Sub(out[n][0].start) <= gpuTrim {
			out[n] = append(out[n], it)
			continue
		}
		out = append(out, []item{it})
	}
	return out
}

func (s *Source) measureGPU(ctx context.Context, batch []item, out []measured) error {
	sc := scope{namespace: batch[0].namespace}
	start := batch[0].start
	for _, it := range batch {
		sc.names = append(sc.names, it.name)
		start, sc.at = later(start, it.start), later(sc.at, it.end)
	}
	if sc.window = sc.at.Sub(start.Add(gpuTrim)); sc.window < gpuShortest-gpuTrim {
		for _, it := range batch {
			out[it.index].gpus = nil
		}
		return nil
	}
	if err := gather(ctx, s, sc, batch, podKey, gpuFields, out); err != nil {
		return err
	}
	uses := map[gpu][]*gpuUse{}
	engine := false
	for _, it := range batch {
		for g, u := range out[it.index].gpus {
			uses[g] = append(uses[g], u)
			engine = engine || u.utilization == nil
		}
	}
	if engine {
		if err := gather(ctx, s, sc, batch, podKey, engineField, out); err != nil {
			return err
		}
	}
	sharing := scope{at: sc.at, window: sc.window}
	for g := range uses {
		sharing.names = append(sharing.names, g.uuid)
	}
	slices.Sort(sharing.names)
	sharing.names = slices.Compact(sharing.names)
	rows, err := s.ask(ctx, "gpu_shared", sharing)
	if err != nil {
		return err
	}
	for _, r := range rows {
		for _, u := range uses[gpuOf(&r)] {
			u.shared = true
		}
	}
	return nil
}
