package sim

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runcast/runcast/scheduler"
)

// A Config is one simulation.
type Config struct {
	Cluster Cluster
	Jobs    []Job  // in order of submission
	Policy  string // one of Policies
	// Predictor is fresh: it has observed nothing of these jobs.
	Predictor Predictor
	// RightSize lets each job ask for the memory that the predictor says it needs, instead
	// of its own request. A job that turns out to need more is killed at the end of its
	// run, the worst case, and waits again for more (see resize). It needs a cluster of
	// nodes.
	RightSize bool
	// Plan is what the policy "runcast" plans with; the zero Policy is scheduler.DefaultPolicy.
	Plan scheduler.Policy
	// Clock measures Result.PlanningSeconds; nil leaves it zero.
	Clock func() time.Time
}

// ErrNoJobs is returned by Run if no job is left that fits the cluster.
var ErrNoJobs = errors.New("no jobs to simulate")

// Run simulates until every job has ended.
func Run(c Config) (Result, error) {
	r, err := newRun(c)
	if err != nil {
		return Result{}, err
	}
	if err := r.play(); err != nil {
		return Result{}, err
	}
	return r.result(), nil
}

// A run is a simulation under way.
type run struct {
	Config
	policy   dispatcher
	begin    time.Time
	tasks    []*task
	waiting  []*task // in order of submission
	running  []*task // in order of start
	ends     ends
	classes  [][]bool // of nodes, see task.class
	unfit    int      // jobs that no node could ever run
	planning time.Duration
}

// A dispatcher says at each event which of the waiting tasks start now. It sets
// the nodes of those, on a cluster with placement.
type dispatcher interface {
	dispatch(r *run, now time.Duration) ([]*task, error)
}

// A waker is a dispatcher that wants to be asked at certain times, too.
type waker interface {
	// wake returns the next such time after now; never if there is none.
	wake(r *run, now time.Duration) time.Duration
}

const never = time.Duration(1<<63 - 1)

func newRun(c Config) (*run, error) {
	r := &run{Config: c}
	var err error
	if r.policy, err = newDispatcher(&r.Config); err != nil {
		return nil, err
	}
	if c.RightSize && c.Cluster.processors > 0 {
		return nil, errors.New("right-sizing: expected nodes, processors have no memory")
	}
	models := map[string]int{} // class of each GPU model
	for i := range c.Jobs {
		j := &c.Jobs[i]
		t := &task{Job: j, index: len(r.tasks)}
		t.own, t.pods = c.Cluster.request(&j.JobSpec)
		t.request = t.own
		t.units = t.request[0] * int64(t.pods)
		class, ok := models[j.GPUModel]
		if !ok {
			class = len(r.classes)
			models[j.GPUModel] = class
			r.classes = append(r.classes, c.Cluster.allowed(j.GPUModel))
		}
		t.class = class
		if j.Runtime <= 0 || j.RuntimeLimit > 0 && j.Runtime > j.RuntimeLimit {
			return nil, fmt.Errorf("job %s: expected a positive runtime within its limit", j.ID)
		}
		if !c.Cluster.holds(t.request, t.pods, r.classes[class]) {
			r.unfit++
			continue
		}
		r.tasks = append(r.tasks, t)
	}
	if len(r.tasks) == 0 {
		return nil, ErrNoJobs
	}
	r.begin = r.tasks[0].Submitted
	for i, t := range r.tasks {
		t.submitted = t.Submitted.Sub(r.begin)
		if i > 0 && t.submitted < r.tasks[i-1].submitted {
			return nil, fmt.Errorf("job %s: expected jobs in order of submission", t.ID)
		}
	}
	return r, nil
}

// play runs the events. At one time jobs end first, then new ones come, then the
// policy is asked, once.
func (r *run) play() error {
	next := 0 // submission to come
	wake := never
	for next < len(r.tasks) || len(r.ends) > 0 || len(r.waiting) > 0 {
		now := wake
		if next < len(r.tasks) {
			now = min(now, r.tasks[next].submitted)
		}
		if len(r.ends) > 0 {
			now = min(now, r.ends[0].end)
		}
		if now == never {
			return fmt.Errorf("policy %s: %d jobs wait on an idle cluster, the first is %s", r.Policy, len(r.waiting), r.waiting[0].ID)
		}
		if err := r.finish(now); err != nil {
			return err
		}
		for ; next < len(r.tasks) && r.tasks[next].submitted == now; next++ {
			t := r.tasks[next]
			var err error
			if t.estimate, err = r.Predictor.Estimate(t.Job); err != nil {
				return fmt.Errorf("job %s: %w", t.ID, err)
			}
			r.size(t)
			r.waiting = append(r.waiting, t)
		}
		if err := r.startAt(now); err != nil {
			return err
		}
		wake = never
		if w, ok := r.policy.(waker); ok {
			wake = w.wake(r, now)
		}
	}
	return nil
}

// finish ends what ends by now.
func (r *run) finish(now time.Duration) error {
	ended := false
	var killed []*task
	for len(r.ends) > 0 && r.ends[0].end <= now {
		t := heap.Pop(&r.ends).(*task)
		ended = true
		if err := r.Predictor.Observe(r.record(t)); err != nil {
			return fmt.Errorf("job %s: %w", t.ID, err)
		}
		if t.killed() {
			killed = append(killed, t)
		}
	}
	if ended {
		r.running = slices.DeleteFunc(r.running, func(t *task) bool { return t.end <= now })
	}
	for _, t := range killed {
		if err := r.requeue(t); err != nil {
			return fmt.Errorf("job %s: %w", t.ID, err)
		}
	}
	return nil
}

func (r *run) startAt(now time.Duration) error {
	if len(r.waiting) == 0 {
		return nil
	}
	began := r.clock()
	starts, err := r.policy.dispatch(r, now)
	if err != nil {
		return err
	}
	r.planning += r.clock().Sub(began)
	for _, t := range starts {
		t.started, t.start, t.end = true, now, now+t.Runtime
		r.running = append(r.running, t)
		heap.Push(&r.ends, t)
	}
	if len(starts) > 0 {
		r.waiting = slices.DeleteFunc(r.waiting, func(t *task) bool { return t.started })
	}
	return nil
}

func (r *run) clock() time.Time {
	if r.Clock == nil {
		return time.Time{}
	}
	return r.Clock()
}

// ends is a heap of running tasks by end; ties go by order of submission.
type ends []*task

func (h ends) Len() int { return len(h) }
func (h ends) Less(i, k int) bool {
	return cmp.Or(cmp.Compare(h[i].end, h[k].end), cmp.Compare(h[i].index, h[k].index)) < 0
}
func (h ends) Swap(i, k int) { h[i], h[k] = h[k], h[i] }
func (h *ends) Push(t any)   { *h = append(*h, t.(*task)) }
func (h *ends) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	*h = (*h)[:last]
	return t
}
