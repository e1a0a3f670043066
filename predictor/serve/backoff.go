package serve

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// backoff waits between tries, twice as long each time. A try that lasts as long as
// the wait that is due has succeeded for a while: then it begins anew.
type backoff struct {
	next  time.Duration
	tried time.Time // when the last wait ended
}

// wait sleeps, or returns when ctx ends.
func (b *backoff) wait(ctx context.Context) {
	if time.Since(b.tried) >= b.next {
		b.next = firstRetry
	}
	select {
	case <-time.After(b.next):
	case <-ctx.Done():
	}
	b.next, b.tried = min(2*b.next, lastRetry), time.Now()
}

// isFinal reports whether fetching the same artifact again cannot help.
func isFinal(err error) bool {
	return slices.ContainsFunc([]error{predictor.ErrDamaged, predictor.ErrNotFound, predictor.ErrNewerSchema, predictor.ErrOlderSchema},
		func(target error) bool { return errors.Is(err, target) })
}
