package promql

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/runcast/runcast/collector"
)

const (
	// settle is how long after its pods ended a failed job may still be without its
	// condition: the job controller waits out a back-off of up to six minutes first.
	settle = 10 * time.Minute
	// shortestPage is the shortest span of completion times that is asked about when
	// longer ones are too much for the server.
	shortestPage = time.Minute
)

// A run is one job of a name, and when kube-state-metrics can be asked about it.
type run struct {
	namespace, name string
	at              time.Time
	window          time.Duration
	succeeded       time.Time // completion; zero if it did not succeed
	failed          time.Time // first seen as failed; zero if it did not fail
	facts           jobFacts
	pods            []pod
	unanswered      bool // the server refused to say anything about it
}

// Finished implements collector.HistorySource. It finds jobs that succeeded or
// failed; one that was deleted before it ended leaves no trace to tell it by. The
// jobs of a window come out the same each time, once settle has passed since to.
// The error is ErrPartial or ErrRefused, or says what else stood in the way.
func (s *Source) Finished(ctx context.Context, from, to time.Time) ([]collector.Finished, error) {
	if !from.Before(to) {
		return nil, nil
	}
	runs, err := s.discover(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if err := s.describe(ctx, runs); err != nil {
		return nil, err
	}
	if err := s.findPods(ctx, runs); err != nil {
		return nil, err
	}
	var out []collector.Finished
	for i := range runs {
		f, err := runs[i].finished(s.cfg.Cluster, s.scrape())
		if err != nil {
			s.log.Warn("a job of the past is left out", "namespace", runs[i].namespace, "name", runs[i].name, "error", err)
			continue
		}
		if f.Record.Finished.After(from) && !f.Record.Finished.After(to) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b collector.Finished) int {
		return cmp.Or(a.Record.Finished.Compare(b.Record.Finished), cmp.Compare(a.Record.ID, b.Record.ID))
	})
	return slices.CompactFunc(out, func(a, b collector.Finished) bool { return a.Record.ID == b.Record.ID }), nil
}

// discover finds the runs that may have ended in (from, to], of all namespaces. What
// is too much for the server is asked for in halves.
func (s *Source) discover(ctx context.Context, from, to time.Time) ([]run, error) {
	sc := scope{at: to.Add(settle), from: from, to: to}
	sc.window = sc.at.Sub(from) + 2*s.scrape() // a job that had failed by then shows it
	runs, err := s.runsIn(ctx, sc)
	if !classify(err).smaller() || ctx.Err() != nil || to.Sub(from) < 2*shortestPage {
		return runs, err
	}
	s.metrics.halvings.Inc()
	middle := from.Add(to.Sub(from) / 2).Truncate(time.Second)
	runs, err = s.discover(ctx, from, middle)
	if err != nil {
		return nil, err
	}
	more, err := s.discover(ctx, middle, to)
	return append(runs, more...), err
}

// runsIn finds the runs that ended in a scope. A name that several jobs had in it is
// looked at in the time of each: a query over all would mix them up.
func (s *Source) runsIn(ctx context.Context, sc scope) ([]run, error) {
	reused, err := s.ask(ctx, "jobs_reused", sc)
	if err != nil {
		return nil, err
	}
	type key struct{ namespace, name string }
	several := map[key]bool{}
	var names []item
	for _, r := range reused {
		several[key{r.namespace, r.job()}] = true
		names = append(names, item{r.namespace, r.job(), sc.at.Add(-sc.window), sc.at, 0})
	}
	all, err := s.ended(ctx, sc)
	if err != nil {
		return nil, err
	}
	runs := slices.DeleteFunc(all, func(r run) bool { return several[key{r.namespace, r.name}] })

	spans := make([][]item, 0, len(names)) // of each batch
	for _, batch := range batches(names, s.cfg.MaxPods) {
		in := sc
		in.namespace = batch[0].namespace
		for _, it := range batch {
			in.names = append(in.names, it.name)
		}
		rows, err := s.ask(ctx, "job_creations", in)
		if err != nil {
			return nil, err
		}
		spans = append(spans, creationSpans(rows, sc.at))
	}
	for _, it := range slices.Concat(spans...) {
		in := exactly(it)
		in.window += time.Millisecond // its first sample is at the open end
		in.from, in.to = sc.from, sc.to
		in.step = time.Second // a coarser one could step over its last sample
		one, err := s.ended(ctx, in)
		if err != nil {
			return nil, err
		}
		runs = append(runs, one...)
	}
	return runs, nil
}

// ended finds the runs in a scope in which no name occurs twice.
func (s *Source) ended(ctx context.Context, sc scope) ([]run, error) {
	var runs []run
	rows, err := s.ask(ctx, "jobs_succeeded", sc)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		runs = append(runs, run{namespace: r.namespace, name: r.job(), at: sc.at, window: sc.window, succeeded: r.time()})
	}
	if rows, err = s.ask(ctx, "jobs_failed", sc); err != nil {
		return nil, err
	}
	for _, r := range rows {
		runs = append(runs, run{namespace: r.namespace, name: r.job(), at: sc.at, window: sc.window, failed: r.time()})
	}
	return runs, nil
}

// creationSpans are, for each job of each name, the time in which all replicas of
// kube-state-metrics showed it and none showed another: from its first sample to just
// before the next job's. One replica may go on showing a job while another is ahead;
// the next job's time begins after that.
func creationSpans(rows []row, last time.Time) []item {
	type key struct{ namespace, name string }
	found := map[key]map[float64]*item{} // by creation time
	for _, r := range rows {
		for _, p := range r.points {
			k, t := key{r.namespace, r.job()}, p.Timestamp.Time().UTC()
			if found[k] == nil {
				found[k] = map[float64]*item{}
			}
			it := found[k][float64(p.Value)]
			if it == nil {
				it = &item{k.namespace, k.name, t, t, 0}
				found[k][float64(p.Value)] = it
			}
			it.start, it.end = earlier(it.start, t), later(it.end, t)
		}
	}
	var out []item
	for _, jobs := range found {
		var shown time.Time // the last sample of the jobs before
		created := slices.Sorted(maps.Keys(jobs))
		for i, c := range created {
			it := *jobs[c]
			end := it.end
			it.start = later(it.start, shown.Add(time.Millisecond))
			it.end = last
			if i+1 < len(created) {
				it.end = jobs[created[i+1]].start.Add(-time.Millisecond)
			}
			it.end = earlier(it.end, end.Add(settle))
			shown = later(shown, end)
			if !it.end.Before(it.start) {
				out = append(out, it)
			}
		}
	}
	slices.SortFunc(out, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name), a.start.Compare(b.start))
	})
	return out
}

// describe asks for the facts of each run, for those together that were found in the
// same window.
func (s *Source) describe(ctx context.Context, runs []run) error {
	items := make([]item, len(runs))
	for i, r := range runs {
		items[i] = item{r.namespace, r.name, r.at.Add(-r.window), r.at, i}
	}
	facts := make([]jobFacts, len(runs))
	err := s.each(ctx, items, func(ctx context.Context, batch []item) error {
		// The windows of a batch may differ; a name that had several jobs must be asked
		// about in its own.
		for _, same := range sameWindow(batch) {
			sc := scope{namespace: same[0].namespace, at: same[0].end, window: same[0].span()}
			for _, it := range same {
				sc.names = append(sc.names, it.name)
			}
			if err := gather(ctx, s, sc, same, jobKey, jobFields, facts); err != nil {
				return err
			}
		}
		return nil
	}, func(it item) { runs[it.index].unanswered = true })
	for i := range runs {
		runs[i].facts = facts[i]
	}
	return err
}

// sameWindow divides items by their window.
func sameWindow(items []item) [][]item {
	items = slices.Clone(items)
	order := func(a, b item) int { return cmp.Or(a.end.Compare(b.end), a.start.Compare(b.start)) }
	slices.SortStableFunc(items, order)
	var out [][]item
	for len(items) > 0 {
		n := 1
		for n < len(items) && order(items[0], items[n]) == 0 {
			n++
		}
		out, items = append(out, items[:n]), items[n:]
	}
	return out
}

// findPods looks up the pods of each run from the last start of the job to its end.
func (s *Source) findPods(ctx context.Context, runs []run) error {
	items := make([]item, len(runs))
	for i := range runs {
		start, end := runs[i].bounds()
		items[i] = item{runs[i].namespace, runs[i].name, start, end, i}
	}
	pods, err := s.podsOf(ctx, items)
	if err != nil {
		return err
	}
	for i := range runs {
		runs[i].pods = pods[i]
	}
	return nil
}
