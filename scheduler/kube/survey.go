package kube

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// A cluster is what the informers know at one time.
type cluster struct {
	now        time.Time
	nodes      []*corev1.Node
	pods       []*corev1.Pod
	jobs       []*batchv1.Job
	priorities []*schedulingv1.PriorityClass
	mark       int // of births, before the pods were listed
}

// A survey is a Snapshot with what stands behind its numbers.
type survey struct {
	scheduler.Snapshot
	waiting  []*pending // by index in Snapshot.Pending
	running  []*running // Jobs that hold room, of ours or not
	disowned []*pending // wait in our queue, but for another to release them
	live     map[types.UID]bool
	asked    []question
}

// pending is a Job that waits.
type pending struct {
	job      *batchv1.Job
	facts    *jobFacts
	estimate predictor.Estimate
	from     string  // where its runtime comes from
	refusal  refusal // its until is zero if it may be released
	size     *size   // that its pods will have; nil for the one they ask for
	reserved reservation
}

// A reservation is the one that a Job had by the plan before; zero if it had none.
type reservation struct {
	start time.Time
	nodes []string // nil if not known
}

// predicted reports whether the Job carries a prediction: the first one stays,
// for it is what the Job's record will be judged by.
func (p *pending) predicted() bool { return p.facts.served != nil }

// request is what one of its pods will ask for.
func (p *pending) request() amounts {
	if p.size != nil {
		return p.size.request
	}
	return p.facts.request
}

// tell is what the Job is told of a decision. After a refusal it waits for
// another try, whatever else the plan has to say.
func (p *pending) tell(d scheduler.Decision) notice {
	n := notice{verdict: d.Verdict, reason: d.Reason, start: d.StartP50, end: d.EndP50, reserved: d.ReservedStart}
	if !d.Verdict.Starts() && !p.refusal.until.IsZero() {
		n.reason = fmt.Sprintf("the API server refused its release: %.200s", p.refusal.why)
	}
	return n
}

// An outcome is what becomes of a Job that waits.
type outcome struct {
	*pending
	notice
	nodes []string // that the plan counts on for its pods, if it is to start
}

// reservations are those that a plan makes.
func (s *survey) reservations(plan scheduler.Schedule) map[types.UID]reservation {
	all := map[types.UID]reservation{}
	for _, d := range plan.Decisions {
		if !d.ReservedStart.IsZero() {
			all[s.waiting[d.Job].job.UID] = reservation{d.ReservedStart, s.nodeNames(d)}
		}
	}
	return all
}

// nodeNames are the nodes that a decision counts on, one for each pod.
func (s *survey) nodeNames(d scheduler.Decision) []string {
	names := make([]string, 0, len(d.Nodes))
	for _, n := range d.Nodes {
		names = append(names, s.Nodes[n].Name)
	}
	return names
}

// running is a Job that has been released or has pods.
type running struct {
	job     *batchv1.Job
	facts   *jobFacts
	started time.Time                          // zero: no pod runs yet
	left    predictor.Quantiles[time.Duration] // from now; zero if unknown

	estimate predictor.Estimate // of the whole run
}

// A surveyor makes surveys. It remembers, between two of them, what need not be
// computed again.
type surveyor struct {
	name      string // of the cluster
	weights   map[string]float64
	forecasts *forecasts
	assumed   *assumptions
	births    *births
	// reserved is what the plan before reserved, if it was the leader's; if nil, the
	// Jobs' annotations say what another leader did.
	reserved map[types.UID]reservation
	forecast *scheduler.Forecast // that of the plan before

	jobs    memo[batchv1.Job, *jobFacts]
	pods    memo[corev1.Pod, *podFacts]
	classes classes
}

// survey takes stock. It sorts c's slices and changes nothing else of it.
func (s *surveyor) survey(c cluster) *survey {
	slices.SortFunc(c.nodes, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(c.jobs, func(a, b *batchv1.Job) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	out := &survey{live: make(map[types.UID]bool, len(c.jobs)), asked: make([]question, 0, len(c.jobs))}
	out.Now, out.Weights, out.Forecast = c.now.UTC(), s.weights, s.forecast
	s.classes.begin(c.nodes)
	r := newRoom(c.now, c.nodes, &s.classes)
	tiers := tiersOf(c.priorities)

	owned := map[types.UID][]*podFacts{}
	for _, pod := range c.pods {
		if f := s.pods.get(pod.UID, pod, func() *podFacts { return podFactsOf(pod) }); !f.ended {
			owned[f.job] = append(owned[f.job], f)
		}
	}
	for _, job := range c.jobs {
		out.live[job.UID] = true
		s.place(out, r, job, s.factsOf(job, tiers), owned[job.UID], c.mark)
		delete(owned, job.UID)
	}
	for _, pods := range owned { // of no Job, or of one that is gone
		for _, f := range pods {
			r.stranger(f)
		}
	}
	for _, p := range out.waiting {
		p.size = r.size(p)
	}
	r.fill(&out.Snapshot, out.waiting)
	out.Classes = s.classes.end()
	s.pods.sweep()
	s.jobs.sweep()
	s.assumed.keep(out.live)
	s.births.keep(out.live)
	return out
}

// place finds where a Job belongs in the survey, with its pods that have not ended.
func (s *surveyor) place(out *survey, r *room, job *batchv1.Job, f *jobFacts, pods []*podFacts, mark int) {
	now := out.Now
	standing := standingOf(job)
	if standing == waiting {
		if preferred, ok := s.assumed.holds(job); ok {
			standing = released
			assumed := *f
			assumed.preferred = preferred
			f = &assumed
		}
	}
	unborn := 0
	switch standing {
	case waiting:
		s.births.reset(job.UID)
		out.asked = append(out.asked, question{uid: job.UID, spec: &f.spec})
		if !s.forecasts.awaits(job.UID, now) {
			p := s.pending(job, f)
			p.refusal, _ = s.assumed.refused(job.UID, now)
			out.waiting = append(out.waiting, p)
		}
	case released:
		unborn = s.births.unborn(job, pods, mark, now)
	case foreign:
		if queued(job) && suspended(job) && !finished(job) {
			out.asked = append(out.asked, question{uid: job.UID, spec: &f.spec})
			out.disowned = append(out.disowned, s.pending(job, f))
		}
	}
	if standing != released && len(pods) == 0 {
		return
	}
	started := startOf(job, pods)
	left := s.forecasts.left(job.UID, f, started, now)
	if standing != waiting {
		estimate, _ := s.forecasts.runtime(job.UID, f)
		out.asked = append(out.asked, question{job.UID, &f.spec, started, podNames(pods)})
		out.running = append(out.running, &running{job, f, started, left, estimate})
	}
	r.job(f, standing == released, pods, unborn, started, left)
}

func podNames(pods []*podFacts) []string {
	names := make([]string, len(pods))
	for i, p := range pods {
		names[i] = p.name
	}
	return names
}

func (s *surveyor) pending(job *batchv1.Job, f *jobFacts) *pending {
	p := &pending{job: job, facts: f, reserved: s.reserved[job.UID]}
	if s.reserved == nil {
		p.reserved.start = told(job).reserved
	}
	p.estimate, p.from = s.forecasts.runtime(job.UID, f)
	if f.rightSize == jobspec.Off {
		p.estimate.MemoryRequest = 0
	}
	return p
}

// startOf is when the run began: its first pod's start, or the Job's if pods of
// this run have ended before.
func startOf(job *batchv1.Job, pods []*podFacts) time.Time {
	var start time.Time
	for _, p := range pods {
		if !p.started.IsZero() && (start.IsZero() || p.started.Before(start)) {
			start = p.started
		}
	}
	t := job.Status.StartTime
	if t != nil && job.Status.Succeeded+job.Status.Failed > 0 && (start.IsZero() || t.Time.Before(start)) {
		return t.Time
	}
	return start
}

// factsOf reads the Job, or remembers it from the last time.
func (s *surveyor) factsOf(job *batchv1.Job, tiers map[string]int32) *jobFacts {
	f := s.jobs.get(job.UID, job, func() *jobFacts { return jobFactsOf(job, s.name) })
	name := job.Spec.Template.Spec.PriorityClassName
	tier, ok := tiers[name]
	if p := job.Spec.Template.Spec.Priority; p != nil {
		tier, ok = *p, true
	}
	f.spec.Priority = tier
	f.priority = nil
	if !ok && name != "" {
		f.priority = &jobspec.Problem{Field: "spec.template.spec.priorityClassName", Value: name, Expected: "the name of a PriorityClass"}
	}
	return f
}

// tiersOf returns the classes' values by name; the default's under "".
func tiersOf(classes []*schedulingv1.PriorityClass) map[string]int32 {
	tiers := make(map[string]int32, len(classes)+1)
	for _, c := range classes {
		tiers[c.Name] = c.Value
		if c.GlobalDefault {
			tiers[""] = c.Value
		}
	}
	return tiers
}
