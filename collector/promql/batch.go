package promql

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// An item is a thing to ask about by name, a job or a pod, and the time in which
// its samples lie.
type item struct {
	namespace, name string
	start, end      time.Time
	index           int // the caller's
}

func (i item) span() time.Duration { return i.end.Sub(i.start) }

// buckets are the runtimes that share a batch: a window fits the longest job in it,
// and a short job should not make the server read a week.
var buckets = []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// slack is by how much the window of a batch may exceed its bucket, which lets jobs
// share one that did not end together.
const slack = 15 * time.Minute

// bucket is the place of a runtime in buckets; those above all have one of their own.
func bucket(d time.Duration) int {
	i, _ := slices.BinarySearch(buckets, d)
	return i
}

// batches divides items by namespace and bucket into groups of at most limit,
// whose window is at most that of the bucket, or of the longest item above all
// buckets, and slack, and in which no name occurs twice.
func batches(items []item, limit int) [][]item {
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(bucket(a.span()), bucket(b.span())), a.end.Compare(b.end))
	})
	var out [][]item
	for len(items) > 0 {
		first := items[0]
		names := map[string]bool{}
		start, end, longest := first.start, first.end, time.Duration(0)
		n := 0
		for ; n < min(limit, len(items)); n++ {
			it := items[n]
			if it.namespace != first.namespace || bucket(it.span()) != bucket(first.span()) || names[it.name] {
				break
			}
			longest = max(longest, it.span())
			most := longest
			if b := bucket(longest); b < len(buckets) {
				most = buckets[b]
			}
			from, to := earlier(start, it.start), later(end, it.end)
			if n > 0 && to.Sub(from) > most+slack {
				break
			}
			start, end = from, to
			names[it.name] = true
		}
		out = append(out, items[:n])
		items = items[n:]
	}
	return out
}

// scopeOf is what covers a batch: its names, from the start of the first to two scrapes
// after the end of the last: the end shows in the first, which may fail.
func (s *Source) scopeOf(batch []item) scope {
	sc := scope{namespace: batch[0].namespace}
	start, end := batch[0].start, batch[0].end
	for _, it := range batch {
		sc.names = append(sc.names, it.name)
		start, end = earlier(start, it.start), later(end, it.end)
	}
	sc.at = end.Add(2 * s.scrape())
	sc.window = sc.at.Sub(start)
	return sc
}

// exactly is what covers one item and nothing beside it.
func exactly(it item) scope {
	return scope{namespace: it.namespace, names: []string{it.name}, at: it.end, window: it.span()}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// each calls do for batches of items, several at once. What do is given is disjoint,
// so it may write to its items' places without a lock; it may be called again for
// parts of a batch. An item that the server refuses alone goes to refuse, if any.
func (s *Source) each(ctx context.Context, items []item, do func(context.Context, []item) error, refuse func(item)) error {
	groups := batches(items, s.cfg.MaxPods)
	return s.parallel(ctx, len(groups), func(ctx context.Context, i int) error {
		return s.divide(ctx, groups[i], do, refuse)
	})
}

// divide calls do for a batch and, where that is too much for the server, for each
// half. An item that is too much by itself is given up. If it is only that nobody
// answers in time, nothing is known, and that is an error.
func (s *Source) divide(ctx context.Context, batch []item, do func(context.Context, []item) error, refuse func(item)) error {
	err := do(ctx, batch)
	c := classify(err)
	if !c.smaller() || ctx.Err() != nil {
		return err
	}
	if half := len(batch) / 2; half > 0 {
		s.metrics.halvings.Inc()
		if err := s.divide(ctx, batch[:half], do, refuse); err != nil {
			return err
		}
		return s.divide(ctx, batch[half:], do, refuse)
	}
	if c == classTimeout {
		return err
	}
	s.metrics.givenUp.Inc()
	s.log.Warn("the metrics store answers no query about this, however small", "namespace", batch[0].namespace, "name", batch[0].name, "error", err)
	if refuse != nil {
		refuse(batch[0])
	}
	return nil
}

// parallel calls do for 0 to n-1, as many at once as there may be queries. The first
// error ends the others and is returned.
func (s *Source) parallel(ctx context.Context, n int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(n, s.cfg.MaxQueries) {
		workers.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// A field is one fact about a T, and where it goes. set must bear being called
// again with the same row.
type field[T any] struct {
	template string
	set      func(*T, row)
}

// gather asks for all fields of the items' scope and sets them in out, at the items'
// indexes. key tells which item a row is about.
func gather[T any](ctx context.Context, s *Source, sc scope, items []item, key func(*row) string, fields []field[T], out []T) error {
	index := make(map[string]int, len(items))
	for _, it := range items {
		index[it.name] = it.index
	}
	for _, f := range fields {
		rows, err := s.ask(ctx, f.template, sc)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if i, ok := index[key(&r)]; ok {
				f.set(&out[i], r)
			}
		}
	}
	return nil
}

func podKey(r *row) string { return r.pod }
func jobKey(r *row) string { return r.job() }
