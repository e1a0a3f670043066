package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor/election"
)

// A Config says how a Loop works. The zero value of every field means its default.
type Config struct {
	// Cluster distinguishes jobs of several clusters in one history; it becomes
	// JobSpec.Cluster. Empty if there is one.
	Cluster string
	// Weights are scheduler.Snapshot's: by what the queues share the cluster. Nil: all
	// jobs stand in one order.
	Weights map[string]float64
	// Progress tells what share of its work, from 0 to 1, each pod says that it has done,
	// by namespace/name. Nil: nobody asks.
	Progress func(ctx context.Context, now time.Time) (map[string]float64, error)
	// MinInterval is the shortest time between two plans. Default 200 ms. After a
	// plan that took longer, the pause is as long as it took.
	MinInterval time.Duration
	// MaxInterval is the longest time between two plans: what no watch tells is
	// seen then, such as a job that overruns. Default 5 s.
	MaxInterval time.Duration
	// PredictorTimeout bounds one call of the predictor, and how long a new job
	// waits for its first estimate before it is planned without. Default 1 s.
	PredictorTimeout time.Duration
	// NoticesPerSecond bounds the writes on jobs that wait (annotations and Events).
	// Releases do not count. Default 5.
	NoticesPerSecond float64
	// Releases is how many Jobs are released at the same time. Default 8.
	Releases int
	// Election chooses one acting replica among several.
	Election election.Config
}

// UnplacedGrace is for how long room is kept for a pod that should exist or be
// placed and is not: the Job controller may not create it (a quota), or
// kube-scheduler not place it for a reason that the plan does not see (a volume).
// Chosen to outlast a fail-over of either; not measured.
const UnplacedGrace = 2 * time.Minute

func (c Config) withDefaults() Config {
	duration := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	duration(&c.MinInterval, 200*time.Millisecond)
	duration(&c.MaxInterval, 5*time.Second)
	duration(&c.PredictorTimeout, time.Second)
	if c.NoticesPerSecond == 0 {
		c.NoticesPerSecond = 5
	}
	if c.Releases == 0 {
		c.Releases = 8
	}
	return c
}

// validate checks c after withDefaults, but for the election.
func (c Config) validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	check(c.MinInterval > 0, "min interval: expected a positive duration")
	check(c.MaxInterval >= c.MinInterval, "max interval: expected at least the min interval")
	check(c.PredictorTimeout > 0, "predictor timeout: expected a positive duration")
	check(c.NoticesPerSecond > 0, "notices per second: expected a positive number")
	check(c.Releases > 0, "releases: expected a positive number")
	for _, queue := range slices.Sorted(maps.Keys(c.Weights)) {
		w := c.Weights[queue]
		check(w > 0 && !math.IsInf(w, 0), fmt.Sprintf("weight of queue %q: expected a positive, finite number, got %v", queue, w))
	}
	return errors.Join(errs...)
}
