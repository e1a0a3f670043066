package collector_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
)

// TestCrashes kills the collector at random writes, before or after the write is
// on disk, with Prometheus and the API server as forgetful as they are, and lets it
// run undisturbed in the end. Then nothing is lost and nothing is there twice; and
// at no time does a record get worse.
func TestCrashes(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crash(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func crash(t *testing.T, rng *rand.Rand) {
	start := time.Now().UTC()
	within := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))).Truncate(time.Second) }
	w := &world{}
	for i := range 40 {
		j := job{name: fmt.Sprint("j", i), submitted: start.Add(within(8 * time.Hour)), cancelled: rng.IntN(8) == 0, brief: rng.IntN(8) == 0}
		j.started = j.submitted.Add(within(time.Minute))
		j.finished = j.started.Add(within(time.Hour))
		j.forgotten = j.finished.Add(within(2 * time.Hour))
		if j.cancelled {
			j.forgotten = j.finished.Add(2 * time.Second)
		}
		w.jobs = append(w.jobs, j)
	}
	for range 2 {
		from := start.Add(within(10 * time.Hour))
		w.outages = append(w.outages, outage{from, from.Add(within(3 * time.Hour))})
	}
	sources, api := w.sources()
	s := &mortal{Store: openStore(t), t: t, seen: map[string]predictor.JobRecord{}}

	for time.Since(start) < 10*time.Hour {
		s.live(1+rng.IntN(25), rng.IntN(2) == 0)
		_, stop := collect(t, collector.Config{Backfill: 12 * time.Hour, Window: time.Hour}, sources, s, nil)
		select {
		case <-s.dead:
		case <-time.After(time.Until(start.Add(10 * time.Hour))):
		}
		stop()
		time.Sleep(within(90 * time.Minute))
	}
	s.live(-1, false)
	_, stop := collect(t, collector.Config{Backfill: 24 * time.Hour, Window: time.Hour}, sources, s, nil)
	time.Sleep(4 * time.Hour)
	stop()

	stored := entries(t, s)
	for _, j := range w.jobs {
		e, ok := stored[j.id()]
		if !ok && (api.delivered[j.id()] || j.knownToPrometheus()) {
			t.Errorf("%+v is lost", j)
		}
		if ok && j.knownToPrometheus() && j.measurable() && (e.PeakMemory != j.peak() || e.Quality == predictor.QualityNone) {
			t.Errorf("%+v is %q with %v, want %v", j, e.Quality, e.PeakMemory, j.peak())
		}
		if ok && (!e.Finished.Equal(j.finished) || !e.Started.Equal(j.started)) {
			t.Errorf("%+v is stored from %v to %v", j, e.Started, e.Finished)
		}
	}
}

// mortal is a store whose process is killed after so many writes.
type mortal struct {
	*store.Store
	t *testing.T

	mu     sync.Mutex
	left   int // writes to the death; negative: immortal
	before bool
	dead   chan struct{}
	seen   map[string]predictor.JobRecord
}

var errKilled = errors.New("killed")

// live starts a life of n writes; before says that the last is not done.
func (m *mortal) live(n int, before bool) {
	m.left, m.before, m.dead = n, before, make(chan struct{})
}

func (m *mortal) Put(ctx context.Context, records []predictor.JobRecord) (int, error) {
	return m.write(func() (int, error) { return m.Store.Put(ctx, records) })
}

func (m *mortal) PutWithWatermark(ctx context.Context, records []predictor.JobRecord, name string, at time.Time) (int, error) {
	return m.write(func() (int, error) { return m.Store.PutWithWatermark(ctx, records, name, at) })
}

func (m *mortal) write(do func() (int, error)) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == 0 {
		return 0, errKilled
	}
	m.left--
	var n int
	var err error
	if m.left != 0 || !m.before {
		n, err = do()
		m.compare()
	}
	if m.left == 0 {
		close(m.dead)
		return 0, errKilled
	}
	return n, err
}

// compare checks that no record is worse than it was before the last write.
func (m *mortal) compare() {
	for id, e := range entries(m.t, m.Store) {
		old := m.seen[id]
		if rank(e.Quality) < rank(old.Quality) || e.PeakMemory < old.PeakMemory || fromAPI(old) && !fromAPI(e.JobRecord) {
			m.t.Errorf("%s got worse: was %+v, is %+v", id, old, e.JobRecord)
		}
		m.seen[id] = e.JobRecord
	}
}

func rank(q predictor.Quality) int {
	return map[predictor.Quality]int{predictor.QualityNone: 1, predictor.QualitySparse: 2, predictor.QualityExact: 3}[q]
}
