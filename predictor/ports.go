package predictor

import (
	"context"
	"io"
	"iter"
	"time"
)

// An Estimator answers for jobs. Both the in-process model and the gRPC client
// implement it. It is safe for concurrent use.
type Estimator interface {
	// Estimate predicts each job, in order. All or nothing: the error is
	// ErrNoModel while there is no model, a ValidationError for a bad spec.
	Estimate(ctx context.Context, jobs []JobSpec) ([]Estimate, error)
	// Remaining predicts how much longer each running job takes, given that it
	// has run for Elapsed.
	Remaining(ctx context.Context, jobs []RunningJob) ([]Quantiles[time.Duration], error)
	// Explain tells where the estimate of one job comes from.
	Explain(ctx context.Context, job JobSpec) (Explanation, error)
}

// A RunningJob is a job that has run for Elapsed and has not ended.
type RunningJob struct {
	JobSpec
	Elapsed time.Duration
	// Progress is the share of this run's work that is done, by the job's own account:
	// above 0 and at most 1; 0 if it gives none.
	Progress float64
}

// Validate reports every field that breaks an invariant, as a ValidationError.
func (j *RunningJob) Validate() error {
	var v violations
	j.JobSpec.validate(&v)
	v.check("elapsed", span(j.Elapsed), "from 0 to 100 years")
	v.check("progress", amount(j.Progress, 1), "from 0 to 1")
	return v.err()
}

// A History is the log of finished jobs, as the store keeps it and the wire
// carries it. It is safe for concurrent use.
//
// Every stored record gets the next Sequence, starting at 1; a record that
// replaces a poorer one of the same ID gets a new one. A follower that remembers
// the last Sequence it has seen misses nothing.
type History interface {
	// Put stores records, all or none, and returns how many were new or better
	// than what was stored. Putting the same records twice changes nothing.
	Put(ctx context.Context, records []JobRecord) (int, error)
	// Records yields the records with from <= Finished < to in order of
	// (Finished, ID); a zero from or to does not bound. It ends after an error.
	Records(ctx context.Context, from, to time.Time) iter.Seq2[Entry, error]
	// Follow yields the records with Sequence > after in order of Sequence, then
	// waits for more, until ctx ends (its error is then yielded last).
	Follow(ctx context.Context, after uint64) iter.Seq2[Entry, error]
}

// An Entry is a record with its place in the log.
type Entry struct {
	JobRecord
	Sequence uint64
}

// Models is the registry of trained models. One of them is the champion, the
// one in service. It is safe for concurrent use.
type Models interface {
	// Publish stores an artifact under info.Version and makes it the champion.
	// Publishing a version again with the same bytes changes nothing.
	Publish(ctx context.Context, info ModelInfo, artifact io.Reader) error
	// Champion describes the model in service; ErrNoModel if there is none.
	Champion(ctx context.Context) (ModelInfo, error)
	// Artifact returns a version's bytes, checked against its checksum;
	// ErrNotFound or ErrDamaged.
	Artifact(ctx context.Context, version string) ([]byte, error)
	// List returns all versions, newest first.
	List(ctx context.Context) ([]ModelInfo, error)
	// Promote makes a stored version the champion; ErrNotFound.
	Promote(ctx context.Context, version string) error
	// Watch yields the champion now (if any) and each time it changes, until ctx ends.
	Watch(ctx context.Context) iter.Seq2[ModelInfo, error]
}

// ModelInfo describes a trained model.
type ModelInfo struct {
	Version  string    `json:"version"` // "20261124T031500Z-1a2b3c4d": time and start of the checksum
	Created  time.Time `json:"created"`
	SHA256   string    `json:"sha256"` // of the artifact, hex
	Size     int64     `json:"size_bytes"`
	Schema   int       `json:"schema"` // version of the artifact's format
	Records  int       `json:"records"`
	From     time.Time `json:"from"` // training window: first and last finish
	To       time.Time `json:"to"`
	Sequence uint64    `json:"sequence"` // last entry of the history it has seen
	// Scores of the walk-forward backtest on the newest part, in seconds.
	PinballP50 float64 `json:"pinball_p50"`
	PinballP90 float64 `json:"pinball_p90"`
	Reason     string  `json:"reason"` // why it was published
	Champion   bool    `json:"champion,omitzero"`
}

// A Queue answers for jobs that wait. It is safe for concurrent use.
type Queue interface {
	// Waiting returns the jobs of a namespace ("" for all) in planned order.
	Waiting(ctx context.Context, namespace string) ([]QueueEntry, error)
	// ETA returns one job, waiting or running; ErrNotFound.
	ETA(ctx context.Context, namespace, name string) (QueueEntry, error)
	// WatchWaiting yields Waiting now and each time the plan changes, until ctx ends.
	WatchWaiting(ctx context.Context, namespace string) iter.Seq2[[]QueueEntry, error]
	// Load tells what the queues have of the cluster.
	Load(ctx context.Context) (QueueLoad, error)
}

// A QueueEntry is one job's place in the plan.
type QueueEntry struct {
	Namespace, Name, Queue string
	Position               int // 1 is next; 0 once it runs
	Submitted              time.Time
	StartP50, StartP90     time.Time // zero if no start can be foreseen
	EndP50, EndP90         time.Time
	Decision               string // why it runs or waits, one sentence
	Estimate               Estimate
}

// A QueueLoad is what the queues have of the cluster, and what it has no room for.
type QueueLoad struct {
	Shares   []QueueShare // by queue
	Unserved []Demand
}

// A QueueShare is what the jobs of one queue have of the cluster.
type QueueShare struct {
	Queue            string
	Weight           float64 // by which the queues share the cluster; zero if they stand in one order
	Share            float64 // 0..1: the part of Resource that its running jobs ask for
	Resource         string  // of which they ask for the largest part; empty if nothing runs
	Running, Waiting int     // jobs
}

// A Demand is a number of equal pods that no node can run, whatever ends: what an
// autoscaler may meet with more or larger nodes.
type Demand struct {
	Pods    int
	Request map[string]float64 // of one pod, by resource: cores, bytes, or numbers of others
}
