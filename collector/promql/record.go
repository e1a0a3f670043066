package promql

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor"
)

// jobFacts are what kube-state-metrics says of one Job; zero is not known.
type jobFacts struct {
	created, started         time.Time
	seen                     time.Time     // the first sample of it
	deadline                 time.Duration // activeDeadlineSeconds
	limit                    time.Duration // of Kueue's label
	parallelism, completions int
	reason                   string // of the failure
	owner, queue             string
	user, family             string
	expected                 time.Duration
}

var jobFields = []field[jobFacts]{
	{"job_created", func(f *jobFacts, r row) { f.created = r.time() }},
	{"job_seen", func(f *jobFacts, r row) { f.seen = r.time() }},
	{"job_started", func(f *jobFacts, r row) { f.started = r.time() }},
	{"job_deadline", func(f *jobFacts, r row) { f.deadline = seconds(r.value) }},
	{"job_parallelism", func(f *jobFacts, r row) { f.parallelism = count(r.value) }},
	{"job_completions", func(f *jobFacts, r row) { f.completions = count(r.value) }},
	{"job_failure_reason", func(f *jobFacts, r row) { f.reason = r.label("reason") }},
	{"job_owner", func(f *jobFacts, r row) { f.owner = r.label("owner_kind") + "/" + r.label("owner_name") }},
	{"job_labels", func(f *jobFacts, r row) {
		f.queue = cmp.Or(r.label("label_runcast_dev_queue_name"), r.label("label_kueue_x_k8s_io_queue_name"))
		n, err := strconv.ParseInt(r.label("label_kueue_x_k8s_io_max_exec_time_seconds"), 10, 64)
		if err == nil {
			f.limit = seconds(float64(n))
		}
	}},
	{"job_annotations", func(f *jobFacts, r row) {
		f.user = r.label("annotation_runcast_dev_user")
		f.family = r.label("annotation_runcast_dev_job_family")
		if d, err := time.ParseDuration(r.label("annotation_runcast_dev_expected_runtime")); err == nil {
			f.expected = seconds(d.Seconds())
		}
	}},
}

// seconds is a span of more than 0; zero if it is not plausible.
func seconds(v float64) time.Duration {
	if v > 0 && v <= predictor.MaxDuration.Seconds() {
		return time.Duration(v * float64(time.Second))
	}
	return 0
}

func count(v float64) int {
	if v > 0 && v <= predictor.MaxPods {
		return int(v)
	}
	return 0
}

// gang is the number of pods that run at once, as predictor/jobspec has it; zero if
// it is not known.
func (f *jobFacts) gang() int {
	if f.parallelism > 0 && f.completions > 0 {
		return min(f.parallelism, f.completions)
	}
	return f.parallelism
}

// bounds are between what times the run's pods lie: the last start, or the creation,
// and the end as far as it is known without pods.
func (r *run) bounds() (start, end time.Time) {
	end = cmp.Or(r.succeeded, r.failed)
	switch {
	case !r.facts.started.IsZero():
		start = r.facts.started
	case !r.facts.created.IsZero():
		start = r.facts.created
	default:
		start = end
	}
	return earlier(start, end), end
}

// finished says what is known of the run. The error says why that is not enough.
func (r *run) finished(cluster string, scrape time.Duration) (collector.Finished, error) {
	f := &r.facts
	r.dropUnstarted()
	if r.unanswered {
		return collector.Finished{}, errors.New("the server answers no query about it")
	}
	if f.created.IsZero() {
		return collector.Finished{}, errors.New("kube_job_created has no sample of it, so its run cannot be told from others")
	}
	end, known := r.ended(scrape)
	if !known {
		return collector.Finished{}, errors.New("it had failed when it was first seen, and its pods are gone, so its end is not known")
	}
	rec := predictor.JobRecord{JobSpec: predictor.JobSpec{
		ID:              collector.JobID(cluster, r.namespace, r.name, f.created),
		Submitted:       f.created,
		Cluster:         cluster,
		Namespace:       r.namespace,
		User:            f.user,
		Queue:           f.queue,
		Name:            r.name,
		Owner:           f.owner,
		Family:          f.family,
		Pods:            f.gang(),
		ExpectedRuntime: f.expected,
		RuntimeLimit:    f.deadline,
	}}
	if f.limit > 0 && (rec.RuntimeLimit == 0 || f.limit < rec.RuntimeLimit) {
		rec.RuntimeLimit = f.limit
	}
	// Of the pods of one job, all alike, the one that asks for most was seen best.
	for i := range r.pods {
		p := &r.pods[i]
		t := p.total()
		rec.Requests.CPUCores = max(rec.Requests.CPUCores, t.CPUCores)
		rec.Requests.Memory = max(rec.Requests.Memory, t.Memory)
		rec.Requests.GPUs = max(rec.Requests.GPUs, t.GPUs)
		rec.Image = cmp.Or(rec.Image, p.image())
		rec.OOMKills += len(p.oomKilled)
	}
	if start := r.started(); !start.IsZero() {
		rec.Started = later(start, rec.Submitted)
	}
	rec.Finished = later(end, later(rec.Started, rec.Submitted))
	rec.Outcome = r.outcome()
	rec.Attempts = r.attempts()
	rec.Quality = predictor.QualitySparse

	out := collector.Finished{Record: rec}
	for i := range r.pods {
		out.Pods = append(out.Pods, r.pods[i].lifecycle())
	}
	return out, rec.Validate()
}

// dropUnstarted leaves out pods that no kubelet took, where kubelets' times are known.
func (r *run) dropUnstarted() {
	unstarted := func(p pod) bool { return p.started.IsZero() }
	if slices.ContainsFunc(r.pods, func(p pod) bool { return !unstarted(p) }) {
		r.pods = slices.DeleteFunc(r.pods, unstarted)
	}
}

// started is when the first pod was taken by its kubelet, as in collector/kube;
// without pods it is when the job controller began.
func (r *run) started() time.Time {
	if len(r.pods) > 0 && !r.pods[0].started.IsZero() {
		return r.pods[0].started
	}
	return r.facts.started
}

// ended is the completion of a success. kube-state-metrics has none of a failure: it
// is the deadline, or the end of the last pod, or when it was first seen as failed.
// That says nothing of a job that had failed before anyone looked, as at the
// beginning of the store's history: then it is false.
func (r *run) ended(scrape time.Duration) (time.Time, bool) {
	if !r.succeeded.IsZero() {
		return r.succeeded, true
	}
	f := &r.facts
	if f.reason == "DeadlineExceeded" && f.deadline > 0 && !f.started.IsZero() {
		// Its last pods were deleted, so that their ends are not known.
		return earlier(f.started.Add(f.deadline), r.failed), true
	}
	var last time.Time
	for i := range r.pods {
		last = later(last, r.pods[i].finished)
	}
	if !last.IsZero() {
		return earlier(last, r.failed), true
	}
	return r.failed, f.seen.Before(r.failed) || r.failed.Sub(f.created) <= 2*scrape
}

// outcome tells how the job ended; if it failed, by what happened in its last round
// of pods, where one rank's end takes the others with it. As in collector/kube.
func (r *run) outcome() predictor.Outcome {
	switch {
	case !r.succeeded.IsZero():
		return predictor.Succeeded
	case r.facts.reason == "DeadlineExceeded":
		return predictor.DeadlineExceeded
	}
	round := r.pods[max(0, len(r.pods)-max(r.facts.gang(), 1)):]
	if slices.ContainsFunc(round, func(p pod) bool { return len(p.oomKilled) > 0 }) {
		return predictor.OOMKilled
	}
	if r.facts.reason == "Evicted" || slices.ContainsFunc(round, func(p pod) bool { return p.evicted }) {
		return predictor.Evicted
	}
	return predictor.Failed
}

// attempts counts the pods beyond those that would have done, plus one, and restarts;
// zero if no pod is known. As in collector/kube.
func (r *run) attempts() int {
	if len(r.pods) == 0 {
		return 0
	}
	needed := max(r.facts.gang(), r.facts.completions, 1)
	restarts := 0
	for i := range r.pods {
		for _, n := range r.pods[i].restarts {
			restarts += n
		}
	}
	return 1 + max(0, len(r.pods)-needed) + restarts
}
