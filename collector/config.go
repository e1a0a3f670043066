package collector

import (
	"errors"
	"fmt"
	"time"
)

// A Config says how long the collector waits, looks back and keeps. The zero
// value of each duration is its default.
type Config struct {
	// Lag is how long after a job's end its usage is asked for: by then its last
	// samples must have been scraped and written. Two scrape intervals and a margin.
	// Default 1m.
	Lag time.Duration
	// HistoryLag is how far behind now the history source is read, at least Lag:
	// scrape and remote-write delay, and time for the API to say it better.
	// Default 10m.
	HistoryLag time.Duration
	// Backfill is how far the history source is read back at the first start, and at
	// most after a long absence. Default 30 days.
	Backfill time.Duration
	// Window is the span of completion times the history source is asked for at
	// once, and by which one question overlaps the one before. Default 30m.
	Window time.Duration
	// MaxAge and MaxRecords bound what the store keeps. Default: no bound.
	MaxAge     time.Duration
	MaxRecords int
}

// Validate reports every field that is out of range; nil if none is.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"lag", c.Lag}, {"backfill", c.Backfill}, {"window", c.Window}} {
		if d.value < time.Second {
			errs = append(errs, fmt.Errorf("%s: expected at least 1s, got %v", d.field, d.value))
		}
	}
	if c.HistoryLag < c.Lag {
		errs = append(errs, fmt.Errorf("history lag: expected at least the lag of %v, got %v", c.Lag, c.HistoryLag))
	}
	if c.MaxAge < 0 || c.MaxRecords < 0 {
		errs = append(errs, errors.New("max age and max records: expected no bound (0) or more than 0"))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value     *time.Duration
		byDefault time.Duration
	}{
		{&c.Lag, time.Minute}, {&c.HistoryLag, max(10*time.Minute, c.Lag)},
		{&c.Backfill, 30 * 24 * time.Hour}, {&c.Window, 30 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.byDefault
		}
	}
	return c
}
