package kube

import (
	"context"
	"time"
)

// progress is what running pods say of themselves, asked for every remainingFresh. Without
// an answer jobs are planned by how long they have run. One goroutine at a time uses it.
type progress struct {
	ask   func(ctx context.Context, now time.Time) (map[string]float64, error)
	said  map[string]float64 // by namespace/name of a pod
	asked time.Time
	err   error // of the last time
}

// update asks again if the answer is old. It reports whether asking has begun to fail.
func (p *progress) update(ctx context.Context, now time.Time) (failed bool) {
	if p.ask == nil || now.Sub(p.asked) < remainingFresh {
		return false
	}
	before := p.err
	p.said, p.err = p.ask(ctx, now)
	p.asked = now
	return p.err != nil && before == nil
}

// of is that of a job: the least of its pods that say anything, 0 if none does.
func (p *progress) of(pods []string) float64 {
	least := 0.0
	for _, pod := range pods {
		if said := p.said[pod]; said > 0 && (least == 0 || said < least) {
			least = said
		}
	}
	return least
}
