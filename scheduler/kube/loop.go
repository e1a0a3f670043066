package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/election"
	"github.com/runcast/runcast/scheduler"
)

// A Loop keeps the queue of one cluster. It is a predictor.Queue that answers from
// the last plan: empty until there is one.
type Loop struct {
	*view
	cfg       Config
	client    kubernetes.Interface
	plan      func(scheduler.Snapshot) scheduler.Schedule
	log       *slog.Logger
	metrics   *metrics
	informers *informers
	surveyor  *surveyor
	forecasts *forecasts
	assumed   *assumptions
	etas      *etas
	election  *election.Election
	dirty     chan struct{} // one element when something changed since the last plan

	term     atomic.Pointer[context.Context] // ends with the leadership; nil while not leading
	lastPlan atomic.Int64                    // Unix nanoseconds; 0 before the first
}

// New makes a Loop; Run runs it. client's own rate limit bounds all writes: it
// should allow some hundred a second. est may be nil: then jobs are planned with
// what they say themselves. policy is checked.
func New(cfg Config, client kubernetes.Interface, est predictor.Estimator, policy scheduler.Policy, log *slog.Logger, reg prometheus.Registerer) (*Loop, error) {
	if err := policy.Validate(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	plan := func(s scheduler.Snapshot) scheduler.Schedule { return scheduler.Plan(s, policy) }
	return newLoop(cfg, client, est, plan, log, reg)
}

func newLoop(cfg Config, client kubernetes.Interface, est predictor.Estimator, plan func(scheduler.Snapshot) scheduler.Schedule, log *slog.Logger, reg prometheus.Registerer) (*Loop, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	elected, err := election.New(cfg.Election, client, log)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	l := &Loop{
		view: newView(), cfg: cfg, client: client, plan: plan, log: log, metrics: m,
		assumed: newAssumptions(), etas: newETAs(m), election: elected,
		dirty: make(chan struct{}, 1),
	}
	births := newBirths()
	l.forecasts = newForecasts(est, &cfg, log, m, l.markDirty)
	l.surveyor = &surveyor{name: cfg.Cluster, weights: cfg.Weights, forecasts: l.forecasts, assumed: l.assumed, births: births}
	l.informers, err = newInformers(client, births, l.markDirty)
	return l, err
}

// Health is what a probe may want to know of a Loop.
type Health struct {
	Leading  bool
	LastPlan time.Time // zero before the first, which needs the API server
}

// Health reports the state of the loop. A plan is due at least every MaxInterval.
func (l *Loop) Health() Health {
	h := Health{Leading: l.leading() != nil}
	if ns := l.lastPlan.Load(); ns != 0 {
		h.LastPlan = time.Unix(0, ns)
	}
	return h
}

// Run plans, and acts while it leads, until ctx ends; it then gives the leadership
// up and returns nil. It may be called once. An error means that it could not start.
func (l *Loop) Run(ctx context.Context) error {
	var background sync.WaitGroup // informers, election, questions to the predictor, notices
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	herald, err := newHerald(ctx, l.client)
	if err != nil {
		return err
	}
	notices := newNotices(l.client, herald, l.metrics, l.log, l.cfg.NoticesPerSecond)
	acting := &actor{
		releaser: &releaser{client: l.client, assumed: l.assumed, herald: herald, metrics: l.metrics, log: l.log, limit: l.cfg.Releases},
		notices:  notices,
		herald:   herald,
	}
	l.informers.start(ctx, &background)
	background.Go(func() { notices.run(ctx) })
	if !l.informers.synced(ctx, l.log) {
		return nil
	}
	// The election outlives the loop: the Lease is given up once nothing acts any more.
	elected, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	background.Go(func() { l.election.Run(elected, l.lead) })
	for l.wait(ctx) {
		started := time.Now()
		l.round(ctx, &background, acting)
		if !pause(ctx, max(l.cfg.MinInterval-time.Since(started), time.Since(started))) {
			break
		}
	}
	return nil
}

// wait returns when there is something to plan for; false when ctx ends.
func (l *Loop) wait(ctx context.Context) bool {
	timer := time.NewTimer(l.cfg.MaxInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-l.dirty:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// pause is the rest between two plans: many changes make one plan, and planning
// takes no more than half of the time.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (l *Loop) markDirty() {
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// round is one turn: look, ask, plan, show, act.
func (l *Loop) round(ctx context.Context, background *sync.WaitGroup, acting *actor) {
	started := time.Now()
	seen := l.informers.look(started)
	l.etas.follow(seen.jobs, l.leading() != nil)
	survey := l.surveyor.survey(seen)
	l.forecasts.ask(ctx, background, survey.asked, started)
	plan := l.plan(survey.Snapshot)
	l.surveyor.forecast = plan.Forecast
	load := l.show(survey, plan)
	l.etas.foretell(survey, plan)

	l.metrics.plans.Inc()
	l.metrics.planSeconds.Observe(time.Since(started).Seconds())
	l.metrics.lastPlan.Set(float64(started.Unix()))
	l.metrics.waiting(survey.waiting)
	l.metrics.load(load)
	l.lastPlan.Store(started.UnixNano())

	term := l.leading()
	if term == nil {
		l.surveyor.reserved = nil
		l.assumed.clear()
		l.metrics.leading.Set(0)
		acting.notices.post(nil)
		return
	}
	l.surveyor.reserved = survey.reservations(plan)
	l.metrics.leading.Set(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(term, cancel)() //nolint:contextcheck // acting ends with the loop and with the term alike
	if again := acting.act(ctx, survey, plan); again {
		l.markDirty()
	}
}

// lead lets rounds act for as long as a term lasts.
func (l *Loop) lead(term context.Context) {
	l.term.Store(&term)
	l.markDirty()
	<-term.Done()
	l.term.Store(nil) //nolint:contextcheck // there is none to act with
	l.markDirty()
}

// leading returns the context of the present leadership, nil if there is none.
func (l *Loop) leading() context.Context {
	if term := l.term.Load(); term != nil && (*term).Err() == nil {
		return *term
	}
	return nil
}

// An actor carries a plan out.
type actor struct {
	releaser *releaser
	notices  *notices
	herald   *herald
}

// act releases what is to start, and posts notices for what waits. It reports
// whether not all went as planned, so that another plan is due.
func (a *actor) act(ctx context.Context, s *survey, plan scheduler.Schedule) (again bool) {
	var starts, waits []outcome
	for _, d := range plan.Decisions {
		p := s.waiting[d.Job]
		n := p.tell(d)
		if problems := p.facts.all(); len(problems) > 0 {
			a.herald.complain(p.job, problems)
		}
		if d.Verdict.Starts() {
			n.start = s.Now
			starts = append(starts, outcome{p, n, s.nodeNames(d)})
		} else {
			waits = append(waits, outcome{pending: p, notice: n})
		}
	}
	for _, p := range s.disowned {
		waits = append(waits, outcome{pending: p, notice: notice{verdict: scheduler.Held, reason: disowned(p.job)}})
	}
	a.notices.post(waits)
	a.herald.keep(s.live)
	settled := a.releaser.settleDoubts(ctx)
	released := a.releaser.all(ctx, starts)
	return settled > 0 || released < len(starts)
}
