package collector

import (
	"context"
	"fmt"
	"slices"

	"github.com/runcast/runcast/predictor"
)

// usageBatch is the most jobs the usage source is asked for at once.
const usageBatch = 200

// without makes records of jobs whose usage is not known.
func without(jobs []Finished) []predictor.JobRecord {
	out := make([]predictor.JobRecord, len(jobs))
	for i, f := range jobs {
		out[i] = join(f, predictor.Usage{Quality: predictor.QualityNone})
	}
	return out
}

// usage makes records of jobs and what they used, all or none.
func (c *Collector) usage(ctx context.Context, jobs []Finished) ([]predictor.JobRecord, error) {
	if c.sources.Usage == nil {
		return without(jobs), nil
	}
	var out []predictor.JobRecord
	for batch := range slices.Chunk(jobs, usageBatch) {
		usages, err := c.sources.Usage.Usage(ctx, batch)
		if err != nil {
			return nil, fmt.Errorf("usage of %d jobs: %w", len(batch), err)
		}
		if len(usages) != len(batch) {
			return nil, fmt.Errorf("usage of %d jobs: the source answered for %d", len(batch), len(usages))
		}
		for i, f := range batch {
			r := join(f, usages[i])
			if err := r.Validate(); err != nil { // the lifecycle is valid
				c.metrics.invalid.Inc()
				c.log.WarnContext(ctx, "usage left out", "job", r.ID, "error", err)
				r = join(f, predictor.Usage{Quality: predictor.QualityNone})
			}
			c.metrics.measured.WithLabelValues(string(r.Quality)).Inc()
			out = append(out, r)
		}
	}
	return out, nil
}

// join makes the record of a job and what it used. What Prometheus alone knows is
// not exact.
func join(f Finished, u predictor.Usage) predictor.JobRecord {
	if !f.FromAPI && u.Quality == predictor.QualityExact {
		u.Quality = predictor.QualitySparse
	}
	r := f.Record
	r.Usage = u
	return r
}

// measured reports whether a record has usage samples.
func measured(r predictor.JobRecord) bool {
	return r.Quality == predictor.QualityExact || r.Quality == predictor.QualitySparse
}

// measuredByAPI reports whether a record has usage samples beside the lifecycle that the
// API tells; it alone makes a record exact, and knows exit codes.
func measuredByAPI(r predictor.JobRecord) bool {
	return r.Quality == predictor.QualityExact || r.ExitCode != nil && measured(r)
}
