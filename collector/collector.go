package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/runcast/runcast/predictor"
)

const (
	measureEvery = 5 * time.Second
	historyEvery = 5 * time.Minute
	pruneEvery   = time.Hour

	// A turn that failed is tried again after firstRetry, then each time after twice
	// as long, up to lastRetry.
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute

	// storeLimit is how long one write may take before Alive complains.
	storeLimit = time.Minute
)

// ErrStalled is returned by Alive while a write to the store does not come back.
var ErrStalled = errors.New("stalled")

// A Store keeps records and remembers how far the history source has been read.
// collector/store is one.
type Store interface {
	// Put is that of predictor.History. What is stored and cannot be read any more is replaced.
	Put(ctx context.Context, records []predictor.JobRecord) (int, error)
	// Lookup returns the records of the IDs that are stored, by ID, and beside them
	// predictor.ErrDamaged if some cannot be read.
	Lookup(ctx context.Context, ids []string) (map[string]predictor.JobRecord, error)
	// PutWithWatermark puts records and sets the watermark of that name, both or neither.
	PutWithWatermark(ctx context.Context, records []predictor.JobRecord, name string, at time.Time) (int, error)
	// Watermark returns the time last set under a name; zero if there is none.
	Watermark(ctx context.Context, name string) (time.Time, error)
	// Prune removes what finished more than maxAge before now, then the oldest until
	// maxRecords are left; 0 is no limit. It returns how many it removed.
	Prune(ctx context.Context, now time.Time, maxAge time.Duration, maxRecords int) (int, error)
}

// Sources are where the facts come from. Any may be nil: without Usage records
// hold lifecycles only, without Lifecycles History alone finds jobs.
type Sources struct {
	Lifecycles Lifecycles
	Usage      UsageSource
	History    HistorySource
}

// A Collector turns finished jobs into records.
//
// A job that a Lifecycles source delivers is stored at once, with QualityNone, and
// again when its usage is known: the store keeps the better of the two. Those in
// between are remembered in memory only. What a killed process forgets comes back
// at the next start: from the Lifecycles source as long as the Job exists, and
// from the history source, which is read from a watermark that moves only with the
// records before it. So nothing is lost, and nothing is there twice.
type Collector struct {
	cfg     Config
	sources Sources
	store   Store
	log     *slog.Logger
	metrics metrics
	waiting *waiting

	writing sync.Mutex                // held from a decision on what is stored to the write that rests on it
	since   atomic.Pointer[time.Time] // when the write under way began
}

// New makes a collector that writes to store. Its metrics go to reg, which may be nil.
func New(cfg Config, sources Sources, store Store, log *slog.Logger, reg prometheus.Registerer) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Collector{cfg: cfg.withDefaults(), sources: sources, store: store, log: log, waiting: newWaiting()}
	c.metrics = newMetrics(reg, c.waiting.len)
	return c, nil
}

// Run collects until ctx ends, when it returns nil. Only an error of the Lifecycles
// source ends it earlier: every other fault is logged, counted and retried.
func (c *Collector) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if c.sources.Lifecycles != nil {
		g.Go(func() error { return c.sources.Lifecycles.Run(ctx, c.deliver) })
	}
	if c.sources.Lifecycles != nil && c.sources.Usage != nil {
		g.Go(func() error { return c.every(ctx, "usage", measureEvery, c.measure) })
	}
	if c.sources.History != nil {
		g.Go(func() error { return c.every(ctx, "history", historyEvery, c.catchUp) })
	}
	g.Go(func() error { return c.every(ctx, "prune", pruneEvery, c.prune) })
	return g.Wait()
}

// Alive returns ErrStalled if the store has not come back from a write for a
// minute, so that the process should be started anew. A source that is down does
// not make the collector less alive: lifecycles go on.
func (c *Collector) Alive() error {
	if t := c.since.Load(); t != nil && time.Since(*t) > storeLimit {
		return fmt.Errorf("write to the store since %v: %w", t.UTC().Format(time.RFC3339), ErrStalled)
	}
	return nil
}

// every takes a turn now and each interval until ctx ends, when it returns nil.
func (c *Collector) every(ctx context.Context, stage string, interval time.Duration, turn func(context.Context) error) error {
	retry := firstRetry
	for {
		wait := interval
		switch err := turn(ctx); {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was asked to end
		case err != nil:
			wait, retry = retry, min(2*retry, lastRetry)
			c.metrics.errors.WithLabelValues(stage).Inc()
			c.log.WarnContext(ctx, "turn did not succeed", "stage", stage, "retry_in", wait, "error", err)
		default:
			retry = firstRetry
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// deliver stores the lifecycles of finished jobs and lets them wait for their usage.
func (c *Collector) deliver(ctx context.Context, jobs []Finished) error {
	jobs = c.valid(ctx, jobs)
	known, err := c.known(ctx, jobs) // from before a restart
	if err != nil {
		return err
	}
	if err := c.put(ctx, "lifecycle", without(jobs)); err != nil {
		c.metrics.errors.WithLabelValues("lifecycle").Inc()
		return err
	}
	for _, f := range jobs {
		before, ok := known[f.Record.ID]
		if !ok {
			c.metrics.tally.ended(&f.Record)
		}
		if c.sources.Usage == nil || measuredByAPI(before) {
			continue
		}
		if dropped := c.waiting.add(f, f.Record.Finished.Add(c.cfg.Lag), time.Now()); dropped {
			c.metrics.abandoned.Inc()
		}
	}
	return nil
}

// measure asks for the usage of the jobs that have waited long enough.
func (c *Collector) measure(ctx context.Context) error {
	for {
		jobs := c.waiting.due(time.Now(), usageBatch)
		if len(jobs) == 0 {
			return nil
		}
		records, err := c.usage(ctx, jobs)
		if err == nil {
			err = c.put(ctx, "usage", records)
		}
		if err != nil {
			c.metrics.abandoned.Add(float64(c.waiting.postpone(jobs, time.Now())))
			return err
		}
		for i := range records {
			c.metrics.tally.measured(&records[i])
		}
		c.waiting.remove(jobs)
	}
}

// prune keeps the store within its bounds.
func (c *Collector) prune(ctx context.Context) error {
	n, err := c.store.Prune(ctx, time.Now(), c.cfg.MaxAge, c.cfg.MaxRecords)
	if n > 0 {
		c.log.InfoContext(ctx, "old records removed", "records", n)
	}
	return err
}

// put stores records; the better of two with one ID stays.
func (c *Collector) put(ctx context.Context, stage string, records []predictor.JobRecord) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.write(stage, func() (int, error) { return c.store.Put(ctx, records) })
}

// write does one write, with writing held.
func (c *Collector) write(stage string, store func() (int, error)) error {
	c.since.Store(new(time.Now()))
	defer c.since.Store(nil)
	n, err := store()
	c.metrics.stored.WithLabelValues(stage).Add(float64(n))
	return err
}

// known returns the records of those of the jobs that are stored, by ID. One that cannot
// be read any more is told of, and counts as not known: what is put now replaces it.
func (c *Collector) known(ctx context.Context, jobs []Finished) (map[string]predictor.JobRecord, error) {
	ids := make([]string, len(jobs))
	for i, f := range jobs {
		ids[i] = f.Record.ID
	}
	found, err := c.store.Lookup(ctx, ids)
	if errors.Is(err, predictor.ErrDamaged) {
		c.metrics.errors.WithLabelValues("lookup").Inc()
		c.log.ErrorContext(ctx, "stored records cannot be read, and are written anew", "error", err)
		err = nil
	}
	return found, err
}

// valid leaves out, logs and counts the jobs that cannot be stored.
func (c *Collector) valid(ctx context.Context, jobs []Finished) []Finished {
	var out []Finished
	for _, f := range jobs {
		if err := f.Record.Validate(); err != nil {
			c.metrics.invalid.Inc()
			c.log.WarnContext(ctx, "job left out", "job", f.Record.ID, "error", err)
			continue
		}
		out = append(out, f)
	}
	return out
}
