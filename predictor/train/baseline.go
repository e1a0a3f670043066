package train

import (
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// A baseline is a simple rule to measure up to: a point prediction from what had
// finished, in seconds (target runtime) or bytes (target memory).
type baseline interface {
	observe(r *predictor.JobRecord, x float64)
	predict(s *predictor.JobSpec) float64
}

// A rule is a baseline under its name in the report.
type rule struct {
	name string
	baseline
}

func runtimeRules() []rule {
	return []rule{
		{"key_median", newKeyMedian()},
		{"request", requested{newKeyMedian()}},
		{"last2", newLastTwo()},
		{"hierarchy", newHierarchy()},
	}
}

// groupKey is a (user, features.RunName) or coarser group, and how many pods and which limit
// its jobs ask for, as far as a level of the hierarchy looks at them.
type groupKey struct {
	level      int
	user, name string
	pods       int
	limit      time.Duration
}

// recent keeps the latest values of each group, newest last.
type recent struct {
	most   int
	values map[groupKey][]float64
}

func newRecent(most int) recent { return recent{most, map[groupKey][]float64{}} }

func (r recent) add(k groupKey, x float64) {
	v := append(r.values[k], x)
	if len(v) > r.most {
		v = slices.Delete(v, 0, len(v)-r.most)
	}
	r.values[k] = v
}

// first returns the values of the first of the groups that has any.
func (r recent) first(keys []groupKey) []float64 {
	for _, k := range keys {
		if v := r.values[k]; len(v) > 0 {
			return v
		}
	}
	return nil
}

// median of unsorted values, the mean of the middle two of an even number; zero of none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// keyMedian is the median of the last ten finished runs of the same (user, name),
// else of the user, else of all; zero if nothing has finished.
type keyMedian struct{ runs recent }

func newKeyMedian() *keyMedian { return &keyMedian{newRecent(10)} }

func keyMedianKeys(s *predictor.JobSpec) []groupKey {
	return []groupKey{{level: 0, user: s.User, name: features.RunName(s)}, {level: 1, user: s.User}, {level: 2}}
}

func (b *keyMedian) observe(r *predictor.JobRecord, seconds float64) {
	for _, k := range keyMedianKeys(&r.JobSpec) {
		b.runs.add(k, seconds)
	}
}

func (b *keyMedian) predict(s *predictor.JobSpec) float64 {
	return capped(median(b.runs.first(keyMedianKeys(s))), s)
}

// requested is the runtime limit, key_median where there is none.
type requested struct{ *keyMedian }

func (b requested) predict(s *predictor.JobSpec) float64 {
	if s.RuntimeLimit > 0 {
		return s.RuntimeLimit.Seconds()
	}
	return b.keyMedian.predict(s)
}

// lastTwo is the mean of the user's last two finished runtimes; of a user's first
// job it is what requested says.
type lastTwo struct {
	runs  recent
	first requested
}

func newLastTwo() *lastTwo { return &lastTwo{newRecent(2), requested{newKeyMedian()}} }

func (b *lastTwo) observe(r *predictor.JobRecord, seconds float64) {
	b.runs.add(groupKey{user: r.User}, seconds)
	b.first.observe(r, seconds)
}

func (b *lastTwo) predict(s *predictor.JobSpec) float64 {
	if v := b.runs.values[groupKey{user: s.User}]; len(v) > 0 {
		return capped(median(v), s) // of one or two values the median is the mean
	}
	return b.first.predict(s)
}

// hierarchy is the median of the last sixteen finished runs of the finest of
// (user, name, pods, limit), (user, name, limit), (user, name), (user), all that
// has any, capped at the limit.
type hierarchy struct{ runs recent }

func newHierarchy() *hierarchy { return &hierarchy{newRecent(16)} }

func hierarchyKeys(s *predictor.JobSpec) []groupKey {
	name := features.RunName(s)
	return []groupKey{
		{0, s.User, name, s.Gang(), s.RuntimeLimit},
		{1, s.User, name, 0, s.RuntimeLimit},
		{2, s.User, name, 0, 0},
		{3, s.User, "", 0, 0},
		{4, "", "", 0, 0},
	}
}

func (b *hierarchy) observe(r *predictor.JobRecord, seconds float64) {
	for _, k := range hierarchyKeys(&r.JobSpec) {
		b.runs.add(k, seconds)
	}
}

func (b *hierarchy) predict(s *predictor.JobSpec) float64 {
	return capped(median(b.runs.first(hierarchyKeys(s))), s)
}

// capped is x seconds, at most the kill limit.
func capped(x float64, s *predictor.JobSpec) float64 {
	if s.RuntimeLimit > 0 {
		return min(x, s.RuntimeLimit.Seconds())
	}
	return x
}
