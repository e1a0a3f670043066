package collector_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
)

// A world is what really happens: jobs, an API server that forgets them, and a
// Prometheus that knows less of each, later, and not always.
type world struct {
	jobs    []job
	outages []outage

	mu   sync.Mutex
	byID map[string]job
	// asked are the windows that the history source was asked for.
	asked []outage
	// measured counts, by ID, how often usage was asked for and answered.
	measured map[string]int
}

type outage struct{ from, to time.Time }

// A job is one truth. Prometheus does not know that a deleted job ended, and has no
// samples of a brief one, and few of a short one.
type job struct {
	name                         string
	submitted, started, finished time.Time
	forgotten                    time.Time // by the API server
	cancelled, brief, short      bool
}

const scrapeLag = 30 * time.Second

func (j job) id() string                 { return collector.JobID("", "ml", j.name, j.submitted) }
func (j job) peak() predictor.Bytes      { return predictor.Bytes(len(j.name)+1) * predictor.GiB }
func (j job) knownToPrometheus() bool    { return !j.cancelled }
func (j job) measurable() bool           { return !j.brief }
func fromAPI(r predictor.JobRecord) bool { return r.Command != "" }

// record is the lifecycle as the API tells it.
func (j job) record() predictor.JobRecord {
	r := predictor.JobRecord{
		JobSpec:  predictor.JobSpec{ID: j.id(), Namespace: "ml", Name: j.name, Submitted: j.submitted, Pods: 1, Command: "train"},
		Started:  j.started,
		Finished: j.finished,
		Outcome:  predictor.Succeeded,
		ExitCode: new(int32(0)),
		Attempts: 1,
	}
	if j.cancelled {
		r.Outcome = predictor.Cancelled
	}
	return r
}

func (j job) pods() []collector.Pod { return []collector.Pod{{Name: j.name + "-a"}} }

// apiServer is the world's source of lifecycles.
type apiServer struct {
	*world
	delivered map[string]bool // over all lives; what deliver took
}

func (s apiServer) Run(ctx context.Context, deliver func(context.Context, []collector.Finished) error) error {
	told := map[string]bool{}
	for {
		var batch []collector.Finished
		for _, j := range s.jobs {
			if now := time.Now(); j.finished.After(now) || !j.forgotten.After(now) || told[j.id()] {
				continue
			}
			batch = append(batch, collector.Finished{Record: j.record(), Pods: j.pods(), FromAPI: true})
		}
		if len(batch) > 0 && deliver(ctx, batch) == nil {
			for _, f := range batch {
				told[f.Record.ID], s.delivered[f.Record.ID] = true, true
			}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// prometheus is the world's source of usage and of history.
type prometheus struct{ *world }

var errDown = errors.New("connection refused")

func (p prometheus) down() error {
	for _, o := range p.outages {
		if now := time.Now(); !now.Before(o.from) && now.Before(o.to) {
			return errDown
		}
	}
	return nil
}

func (p prometheus) Usage(_ context.Context, jobs []collector.Finished) ([]predictor.Usage, error) {
	if err := p.down(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]predictor.Usage, len(jobs))
	for i, f := range jobs {
		out[i].Quality = predictor.QualityNone
		if j := p.byID[f.Record.ID]; j.measurable() && len(f.Pods) > 0 && time.Since(j.finished) >= scrapeLag {
			out[i] = predictor.Usage{PeakMemory: j.peak(), Quality: predictor.QualityExact}
			if j.short {
				out[i].Quality = predictor.QualitySparse
			}
		}
		p.measured[f.Record.ID]++
	}
	return out, nil
}

func (p prometheus) Finished(_ context.Context, from, to time.Time) ([]collector.Finished, error) {
	p.asked = append(p.asked, outage{from, to})
	if err := p.down(); err != nil {
		return nil, err
	}
	var out []collector.Finished
	for _, j := range p.jobs {
		if !j.knownToPrometheus() || !j.finished.After(from) || j.finished.After(to) || time.Since(j.finished) < scrapeLag {
			continue
		}
		r := j.record()
		r.Command, r.ExitCode = "", nil
		out = append(out, collector.Finished{Record: r, Pods: j.pods()})
	}
	return out, nil
}

// openStore opens a real store in a directory of the test's.
func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir()+"/runcast.bolt", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Check(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// entries returns all that is stored, by ID.
func entries(t *testing.T, s predictor.History) map[string]predictor.Entry {
	t.Helper()
	out := map[string]predictor.Entry{}
	for e, err := range s.Records(context.Background(), time.Time{}, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[e.ID]; twice {
			t.Errorf("%s is stored twice", e.ID)
		}
		out[e.ID] = e
	}
	return out
}

// everyMinute makes n jobs, one a minute from start on, that run for half a minute
// and are forgotten after an hour.
func everyMinute(start time.Time, n int) []job {
	jobs := make([]job, n)
	for i := range jobs {
		at := start.Add(time.Duration(i) * time.Minute)
		jobs[i] = job{name: fmt.Sprint("j", i), submitted: at, started: at, finished: at.Add(30 * time.Second), forgotten: at.Add(time.Hour)}
	}
	return jobs
}
