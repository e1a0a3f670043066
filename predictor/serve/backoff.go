package serve

import (
	"context"
	"errors"
	"time"

	"github.com/runcast/runcast/predictor"
)

// backoff waits longer after each failure in a row.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// wait sleeps, or returns when ctx ends.
func (b *backoff) wait(ctx context.Context) {
	d := max(b.next, firstRetry)
	b.next = min(2*d, lastRetry)
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// isFinal reports whether fetching the same artifact again cannot help.
func isFinal(err error) bool {
	return errors.Is(err, predictor.ErrDamaged) || errors.Is(err, predictor.ErrNewerSchema) || errors.Is(err, predictor.ErrNotFound)
}
