package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Job is submitted at Submitted and runs for Runtime once it has started,
// whatever was predicted.
type Job struct {
	predictor.JobSpec
	Runtime       time.Duration   // actual, positive
	PeakMemory    predictor.Bytes // largest pod's, of the real run; zero: unknown
	Started       time.Time       // of the real run; the simulation does not look at it
	Deadline      time.Time       // soft; zero: none
	EarliestStart time.Time       // zero: at once
}

// FromRecords makes jobs of finished runs, in order of submission. Records
// without a positive runtime are left out; a runtime above its limit is cut to the limit.
func FromRecords(records []predictor.JobRecord) []Job {
	jobs := make([]Job, 0, len(records))
	for i := range records {
		r := &records[i]
		j := Job{JobSpec: r.JobSpec, Runtime: r.Runtime(), PeakMemory: r.PeakMemory, Started: r.Started}
		if j.RuntimeLimit > 0 {
			j.Runtime = min(j.Runtime, j.RuntimeLimit)
		}
		if j.Runtime > 0 {
			jobs = append(jobs, j)
		}
	}
	sortBySubmission(jobs)
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

// Shaken returns the jobs with each submission moved by up to a minute, in their new
// order. A schedule hangs by such trifles: what the same rule makes of a few shaken logs
// tells how much of a difference is chance (Tsafrir, Ouaknine and Feitelson, MASCOTS
// 2007).
func Shaken(jobs []Job, seed uint64) []Job {
	rng := rand.New(rand.NewPCG(seed, 0x5a4e))
	shaken := slices.Clone(jobs)
	for i := range shaken {
		shaken[i].Submitted = shaken[i].Submitted.Add(time.Duration(rng.Int64N(int64(time.Minute))))
	}
	sortBySubmission(shaken)
	return shaken
}

func sortBySubmission(jobs []Job) {
	slices.SortStableFunc(jobs, func(a, b Job) int { return a.Submitted.Compare(b.Submitted) })
}

// A task is a job in the simulation. Times count from the first submission.
type task struct {
	*Job
	index    int     // in order of submission
	own      []int64 // what one pod asks for
	request  []int64 // what it is given
	pods     int
	class    int
	units    int64 // request × pods of the one resource of a cluster without placement
	estimate predictor.Estimate

	submitted     time.Duration
	start, end    time.Duration
	started       bool
	sized         bool // request is not the job's own
	kills         int  // for memory
	nodes         []int
	reservedStart time.Time // by the last plan
	promised      promise   // what was foretold at submission
}

// A promise is a forecast of a job's start and end; zero of what cannot be foretold.
type promise struct{ start50, start90, end50, end90 time.Time }

// bySubmission orders tasks by submission.
func bySubmission(a, b *task) int {
	return cmp.Or(cmp.Compare(a.submitted, b.submitted), cmp.Compare(a.index, b.index))
}
