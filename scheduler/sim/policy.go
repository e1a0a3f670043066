package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runcast/runcast/scheduler"
)

// Policies are the names that Config.Policy may have.
//
//	fcfs          strict order of submission; the first that does not fit blocks all others
//	greedy        order of submission, whatever fits starts: a cluster without a queue
//	easy          order of submission, one reservation, backfill in order of submission
//	easy-sjbf     the same, backfill in order of estimated runtime
//	easy++        the same, and an estimate that was outlived is corrected in published steps
//	conservative  every job has a reservation, in order of submission
//	sjf-greedy    the shortest that fits, no reservation
//	sjf-easy      order of estimated runtime, one reservation
//	saf-easy      order of estimated runtime × processors, one reservation
//	runcast       scheduler.Plan
//
// All but fcfs, greedy, easy and runcast need a cluster made by Processors. On nodes these
// all place pods as Plan does.
// Classic policies take the median for the runtime.
var Policies = []string{"fcfs", "greedy", "easy", "easy-sjbf", "easy++", "conservative", "sjf-greedy", "sjf-easy", "saf-easy", "runcast"}

func newDispatcher(c *Config) (dispatcher, error) {
	if !slices.Contains(Policies, c.Policy) {
		return nil, fmt.Errorf("unknown policy %q, expected one of %s", c.Policy, strings.Join(Policies, ", "))
	}
	if c.Plan == (scheduler.Policy{}) {
		c.Plan = scheduler.DefaultPolicy()
	}
	if err := c.Plan.Validate(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if c.Cluster.processors == 0 {
		switch c.Policy {
		case "fcfs", "greedy":
			p := c.Plan
			p.Reservations, p.ForecastEffort, p.Search = 0, 0, 0
			return &planned{policy: p, plain: true, strict: c.Policy == "fcfs"}, nil
		case "easy":
			p := c.Plan
			p.OverdueAfter = 0 // every job is overdue: order of submission
			p.FirmWithin, p.Search = 0, 0
			return &planned{policy: p}, nil
		case "runcast":
			return &planned{policy: c.Plan}, nil
		}
		return nil, fmt.Errorf("policy %s: expected a number of processors, it knows no nodes", c.Policy)
	}
	switch c.Policy {
	case "fcfs":
		return &listed{head: bySubmission, block: true}, nil
	case "greedy":
		return &listed{head: bySubmission}, nil
	case "easy":
		return &listed{head: bySubmission, tail: bySubmission, block: true}, nil
	case "easy-sjbf":
		return &listed{head: bySubmission, tail: byRuntime, block: true}, nil
	case "easy++":
		return &listed{head: bySubmission, tail: byRuntime, block: true, correct: true}, nil
	case "sjf-greedy":
		return &listed{head: byRuntime}, nil
	case "sjf-easy":
		return &listed{head: byRuntime, tail: byRuntime, block: true}, nil
	case "saf-easy":
		return &listed{head: byArea, tail: byArea, block: true}, nil
	case "conservative":
		return &conservative{}, nil
	}
	return &planned{policy: c.Plan}, nil
}

// point is the classic policies' estimate of a waiting task's runtime.
func (t *task) point() time.Duration {
	if t.estimate.Runtime.IsZero() {
		return never / 4
	}
	return max(t.estimate.Runtime.P50, time.Second)
}

func byRuntime(a, b *task) int {
	return cmp.Or(cmp.Compare(a.point(), b.point()), bySubmission(a, b))
}

func byArea(a, b *task) int {
	area := func(t *task) float64 { return t.point().Seconds() * float64(t.units) }
	return cmp.Or(cmp.Compare(area(a), area(b)), bySubmission(a, b))
}
