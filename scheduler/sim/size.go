package sim

import (
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// memory is where the memory of one pod stands in a request, on a cluster of nodes.
const memory = 1

// After a kill a job asks for 5 % more than it held, after another one for twice as
// much, and for what the predictor says if that is more.
const afterKill, afterKills = 1.05, 2

// size lets a task that was just submitted ask for what the predictor says its pods
// need, unless no run of the job's own is known.
func (r *run) size(t *task) {
	if ask := scheduler.PodMemory(&t.estimate, t.Requests.Memory); r.RightSize && !t.estimate.Cold && ask > 0 {
		r.ask(t, int64(ask))
	}
}

// resize lets a task that was killed ask for more.
func (r *run) resize(t *task) {
	more := afterKill
	if t.kills > 1 {
		more = afterKills
	}
	r.ask(t, max(int64(more*float64(t.request[memory])), int64(t.estimate.MemoryRequest)))
}

// ask changes a task's request; back to its own if its pods would not fit the cluster.
func (r *run) ask(t *task, bytes int64) {
	t.request = slices.Clone(t.own)
	t.request[memory] = bytes
	if t.sized = r.Cluster.holds(t.request, t.pods, r.classes[t.class]); !t.sized {
		t.request = t.own
	}
}

// killed reports whether a task runs out of the memory it was given. One that has its
// own request does not: the real run had no more.
func (t *task) killed() bool { return t.sized && t.request[memory] < int64(t.PeakMemory) }

// record is the run of a task that has just ended. What came of the real run does not
// matter: in the simulation a job is done when it has run for as long.
func (r *run) record(t *task) *predictor.JobRecord {
	record := &predictor.JobRecord{JobSpec: t.JobSpec, Started: r.begin.Add(t.start), Finished: r.begin.Add(t.end),
		Outcome: predictor.Succeeded, Attempts: t.kills + 1, OOMKills: t.kills, Usage: predictor.Usage{PeakMemory: t.PeakMemory}}
	if t.killed() {
		record.Outcome, record.PeakMemory = predictor.OOMKilled, predictor.Bytes(t.request[memory])
		record.OOMKills++
	}
	return record
}

// requeue puts a task that was killed back among those that wait.
func (r *run) requeue(t *task) (err error) {
	t.kills++
	t.started, t.nodes, t.reservedStart = false, nil, time.Time{}
	if t.estimate, err = r.Predictor.Estimate(t.Job); err != nil {
		return err
	}
	r.resize(t)
	at, _ := slices.BinarySearchFunc(r.waiting, t, bySubmission)
	r.waiting = slices.Insert(r.waiting, at, t)
	return nil
}

// Trimmed returns the jobs asking for no more memory than they turn out to need.
func Trimmed(jobs []Job) []Job {
	trimmed := slices.Clone(jobs)
	for i := range trimmed {
		if j := &trimmed[i]; j.PeakMemory > 0 {
			j.Requests.Memory = min(j.Requests.Memory, j.PeakMemory)
		}
	}
	return trimmed
}
