package promql

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// WorkloadUsage tells what the containers of a workload that keeps running have used
// in each interval of five minutes that ends after from and not after to, in order
// of time. Its pods are those that kube-state-metrics saw under it in that time,
// also by way of ReplicaSets, and that may be gone by now. Intervals end at multiples
// of their length; from and to should too.
func (s *Source) WorkloadUsage(ctx context.Context, namespace, kind, name string, from, to time.Time) ([]predictor.ContainerUsage, error) {
	sc := scope{namespace: namespace, names: []string{name}, at: to, window: to.Sub(from)}
	owners := map[owner]bool{{kind, name}: true}
	rows, err := s.ask(ctx, "workload_replicasets", sc)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if owners[ownerOf(&r)] {
			owners[owner{"ReplicaSet", r.label("replicaset")}] = true
		}
	}
	sc.names = nil
	for o := range owners {
		sc.names = append(sc.names, o.name)
	}
	if rows, err = s.ask(ctx, "workload_pods", sc); err != nil {
		return nil, err
	}
	pods := map[string]bool{}
	for _, r := range rows {
		if owners[ownerOf(&r)] {
			pods[r.pod] = true
		}
	}
	used := map[usageKey]*predictor.ContainerUsage{}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(pods)), s.cfg.MaxPods) {
		sc.names = names
		if err := s.addUsage(ctx, sc, used); err != nil {
			return nil, err
		}
	}
	all := make([]predictor.ContainerUsage, 0, len(used))
	for _, u := range used {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b predictor.ContainerUsage) int {
		return cmp.Or(a.End.Compare(b.End), cmp.Compare(a.Container, b.Container))
	})
	return all, nil
}

// An owner is a controller within a namespace.
type owner struct{ kind, name string }

func ownerOf(r *row) owner { return owner{r.label("owner_kind"), r.label("owner_name")} }

type usageKey struct {
	container string
	end       time.Time
}

// addUsage adds what a scope's pods have used to what others have: the largest counts.
func (s *Source) addUsage(ctx context.Context, sc scope, used map[usageKey]*predictor.ContainerUsage) error {
	for template, set := range map[string]func(*predictor.ContainerUsage, float64){
		"workload_memory": func(u *predictor.ContainerUsage, v float64) { u.Memory = max(u.Memory, memory(v)) },
		"workload_cores":  func(u *predictor.ContainerUsage, v float64) { u.CPUCores = max(u.CPUCores, amount(v)) },
	} {
		rows, err := s.ask(ctx, template, sc)
		if err != nil {
			return err
		}
		for _, r := range rows {
			for _, p := range r.points {
				k := usageKey{r.container, p.Timestamp.Time().UTC()}
				if used[k] == nil {
					used[k] = &predictor.ContainerUsage{Container: k.container, End: k.end}
				}
				set(used[k], float64(p.Value)*s.templates[template].factor)
			}
		}
	}
	return nil
}
