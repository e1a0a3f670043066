package collector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// Watermark is the name under which the store keeps how far the history source
// has been read: every job that it knows to have ended by then is stored.
const Watermark = "collector/history"

// catchUp reads the history source from the watermark up to now less its lag,
// window by window, each together with the one before: samples come late.
func (c *Collector) catchUp(ctx context.Context) error {
	mark, err := c.store.Watermark(ctx, Watermark)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if oldest := now.Add(-c.cfg.Backfill); mark.Before(oldest) {
		mark = oldest
	}
	end := now.Add(-c.cfg.HistoryLag)
	c.metrics.watermark.Set(float64(mark.Unix()))
	if end.Sub(mark) > c.cfg.Window {
		c.log.InfoContext(ctx, "reading history", "from", mark, "to", end)
	}
	for mark.Before(end) {
		to := mark.Add(c.cfg.Window)
		if to.After(end) {
			to = end
		}
		if err := c.window(ctx, mark.Add(-c.cfg.Window), to); err != nil {
			return fmt.Errorf("jobs that ended from %s to %s: %w", mark.Format(time.RFC3339), to.Format(time.RFC3339), err)
		}
		mark = to
		c.metrics.watermark.Set(float64(mark.Unix()))
	}
	return nil
}

// window stores the jobs that ended in (from, to] as far as they are not known, or
// not measured, and moves the watermark to its end.
func (c *Collector) window(ctx context.Context, from, to time.Time) error {
	found, err := c.sources.History.Finished(ctx, from, to)
	if err != nil {
		return err
	}
	found = c.valid(ctx, found)
	known, err := c.known(ctx, found)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(f Finished) bool { return measured(known[f.Record.ID]) })
	records, err := c.usage(ctx, found)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if known, err = c.known(ctx, found); err != nil { // what came in meanwhile
		return err
	}
	for i, r := range records {
		if old, ok := known[r.ID]; ok {
			records[i] = complete(old, r.Usage)
		}
	}
	return c.write("history", func() (int, error) {
		return c.store.PutWithWatermark(ctx, records, Watermark, to)
	})
}

// complete adds to a stored record what has been measured since. The rest of it
// stays: the API, or an earlier window, knew at least as much of the job's course.
func complete(old predictor.JobRecord, u predictor.Usage) predictor.JobRecord {
	if measured(predictor.JobRecord{Usage: u}) && !measured(old) {
		old.Usage = u
	}
	return old
}
