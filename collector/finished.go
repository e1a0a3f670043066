// Package collector turns finished jobs into records: a source of lifecycles
// (the Kubernetes API, or Prometheus for jobs from before the installation) says
// which jobs have ended, a source of usage (Prometheus) what they used, and the
// joined JobRecord goes to a predictor.History.
//
// The loop here knows neither Kubernetes nor PromQL; its sources do.
package collector

import (
	"context"
	"fmt"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Finished job has ended; its usage is not known yet. Record.Usage is empty
// but for what the lifecycle's source knows itself.
type Finished struct {
	Record predictor.JobRecord
	Pods   []Pod // every attempt of every rank, in order of start
	// FromAPI is set if the lifecycle was seen by the informer, and so is exact.
	FromAPI bool
}

// A Pod is one attempt at one rank of a job.
type Pod struct {
	Name, UID, Node string
	// Started is when its kubelet took it, Finished when its last container ended;
	// zero if not known.
	Started, Finished time.Time
}

// Lifecycles is a source that sees jobs finish.
type Lifecycles interface {
	// Run delivers jobs as they finish, those first that had finished before and are
	// still there, until ctx ends, when it returns nil. What deliver does not take
	// it delivers again. It may deliver a job more than once.
	Run(ctx context.Context, deliver func(context.Context, []Finished) error) error
}

// A UsageSource measures finished jobs.
type UsageSource interface {
	// Usage returns one element for each job, in order; a job without samples has
	// QualityNone. An error means that nothing can be said about any of them now
	// (the source is unreachable, or answered in part) and that a later try may succeed.
	Usage(ctx context.Context, jobs []Finished) ([]predictor.Usage, error)
}

// A HistorySource finds jobs that ended in the past.
type HistorySource interface {
	// Finished returns the jobs that ended in (from, to], in order of finish.
	Finished(ctx context.Context, from, to time.Time) ([]Finished, error)
}

// JobID identifies one run of a Kubernetes Job by what both the API and
// kube-state-metrics know: a name may be reused, a name and a second of creation is not.
// cluster may be empty.
func JobID(cluster, namespace, name string, created time.Time) string {
	id := fmt.Sprintf("%s/%s@%d", namespace, name, created.Unix())
	if cluster != "" {
		id = cluster + "/" + id
	}
	return id
}
