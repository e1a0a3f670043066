package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Job is submitted at Submitted and runs for Runtime once it has started,
// whatever was predicted.
type Job struct {
	predictor.JobSpec
	Runtime       time.Duration // actual, positive
	Deadline      time.Time     // soft; zero: none
	EarliestStart time.Time     // zero: at once
}

// FromRecords makes jobs of finished runs, in order of submission. Records
// without a positive runtime are left out, and so are those without pods if they
// are said to have none; a runtime above its limit is cut to the limit.
func FromRecords(records []predictor.JobRecord) []Job {
	jobs := make([]Job, 0, len(records))
	for i := range records {
		r := &records[i]
		j := Job{JobSpec: r.JobSpec, Runtime: r.Runtime()}
		if j.RuntimeLimit > 0 {
			j.Runtime = min(j.Runtime, j.RuntimeLimit)
		}
		if j.Runtime > 0 && j.Pods > 0 {
			jobs = append(jobs, j)
		}
	}
	slices.SortStableFunc(jobs, func(a, b Job) int { return a.Submitted.Compare(b.Submitted) })
	return jobs
}

// Drained returns the jobs as if all had been submitted at the time of the first.
func Drained(jobs []Job) []Job {
	drained := slices.Clone(jobs)
	for i := range drained {
		drained[i].Submitted = jobs[0].Submitted
	}
	return drained
}

// A task is a job in the simulation. Times count from the first submission.
type task struct {
	*Job
	index    int // in order of submission
	request  []int64
	pods     int
	class    int
	units    int64 // request × pods of the one resource of a cluster without placement
	estimate predictor.Estimate

	submitted     time.Duration
	start, end    time.Duration
	started       bool
	nodes         []int
	reservedStart time.Time // by the last plan
	promised      promise   // what was foretold at submission
}

// A promise is a forecast of a job's end.
type promise struct{ p50, p90 time.Time }

// bySubmission orders tasks by submission.
func bySubmission(a, b *task) int {
	return cmp.Or(cmp.Compare(a.submitted, b.submitted), cmp.Compare(a.index, b.index))
}

// flow is the time from submission to the end.
func (t *task) flow() time.Duration { return t.end - t.submitted }

// boundedSlowdown is the flow time over the runtime, both taken as at least ten
// seconds (Feitelson and Rudolph, JSSPP 1998).
func (t *task) boundedSlowdown() float64 {
	const tau = 10.0
	return math.Max(1, t.flow().Seconds()/math.Max(t.Runtime.Seconds(), tau))
}
