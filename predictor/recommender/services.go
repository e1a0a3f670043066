package recommender

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runcast/runcast/predictor"
)

// A UsageFunc tells what the containers of a workload's pods, past ones included,
// have used in each interval of UsageInterval that ends after from and not after to.
type UsageFunc func(ctx context.Context, namespace, kind, name string, from, to time.Time) ([]predictor.ContainerUsage, error)

const (
	// UsageInterval is the length of the intervals of usage.
	UsageInterval = 5 * time.Minute
	// usageBack is how far usage is looked back for, as VPA does: a week and a day, so
	// that what recurs weekly has been seen.
	usageBack = 8 * 24 * time.Hour
	// usageLag is how long after an interval its samples have arrived.
	usageLag = time.Minute
	// atOnce bounds the time that one question spans.
	atOnce = 24 * time.Hour
)

// A workload is one that keeps running, and what is known of its usage.
type workload struct {
	namespace  string
	controller controller

	seen  time.Time // end of the last interval asked about; zero before the first
	usage map[string][]predictor.ContainerUsage
}

// learn asks for what is missing up to now.
func (w *workload) learn(ctx context.Context, usage UsageFunc, now time.Time) error {
	to := now.Add(-usageLag).Truncate(UsageInterval)
	if oldest := to.Add(-usageBack); w.seen.Before(oldest) {
		w.seen = oldest
	}
	for w.seen.Before(to) {
		next := w.seen.Add(atOnce)
		if next.After(to) {
			next = to
		}
		used, err := usage(ctx, w.namespace, w.controller.kind, w.controller.name, w.seen, next)
		if err != nil {
			return fmt.Errorf("usage of %s %s/%s: %w", w.controller.kind, w.namespace, w.controller.name, err)
		}
		w.take(used, next)
	}
	return nil
}

// take takes in what was used up to then, in order of time, and forgets what is too
// old.
func (w *workload) take(used []predictor.ContainerUsage, seen time.Time) {
	for _, u := range used {
		w.usage[u.Container] = append(w.usage[u.Container], u)
	}
	w.seen = seen
	for name, of := range w.usage {
		n := slices.IndexFunc(of, func(u predictor.ContainerUsage) bool { return u.End.After(seen.Add(-usageBack)) })
		if n < 0 {
			delete(w.usage, name)
		} else {
			w.usage[name] = of[n:]
		}
	}
}

// needs are those of the containers whose usage is known, and whether there is less
// than a day of it. They change only with what is known. The first interval does not
// count: the pods may have begun in it, and have used less than they will.
func (w *workload) needs() (needs Needs, young bool) {
	needs = Needs{}
	for name, used := range w.usage {
		if used = used[1:]; len(used) == 0 {
			continue
		}
		need := map[corev1.ResourceName]Need{}
		if n, ok := cpuNeed(used, w.seen); ok {
			need[corev1.ResourceCPU] = n
		}
		if n, ok := memoryNeed(used, w.seen); ok {
			need[corev1.ResourceMemory] = n
		}
		needs[name] = need
		young = young || w.seen.Sub(used[0].End) < day-UsageInterval
	}
	return needs, young
}

const day = 24 * time.Hour
