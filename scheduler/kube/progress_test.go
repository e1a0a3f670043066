package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A running job ends when its own progress says so: by the slowest of its pods that tell.
// Without an answer its runtime counts.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=2"), testJob(t, "a", "cpu=1"))
		est := newOracle()
		est.runtimes["a"] = time.Hour
		var mu sync.Mutex
		said, down, asked := map[string]float64{}, error(nil), 0
		l, stop := runLoop(t, s, est, Config{Progress: func(context.Context, time.Time) (map[string]float64, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return said, down
		}})
		defer stop()
		time.Sleep(2 * time.Second)
		began := time.Now()
		s.startJob(t, "a", "n1", "n1")
		pod := fmt.Sprintf("default/a-%d-", s.job(t, "a").Generation)
		for _, step := range []struct {
			says     map[string]float64
			err      error
			from, to time.Duration
		}{
			{nil, nil, time.Hour, time.Hour},
			{map[string]float64{pod + "0": 0.25, "other/a-0": 0.01}, nil, 47 * time.Minute, 48 * time.Minute},
			{map[string]float64{pod + "0": 0.5, pod + "1": 0.25}, nil, 71 * time.Minute, 72 * time.Minute},
			{nil, errors.New("connection refused"), time.Hour, time.Hour},
		} {
			mu.Lock()
			said, down = step.says, step.err
			mu.Unlock()
			time.Sleep(6*time.Minute + time.Second)
			e, err := l.ETA(t.Context(), "default", "a")
			if err != nil {
				t.Fatal(err)
			}
			if took := e.EndP50.Sub(began); took < step.from-2*time.Second || took > step.to+2*time.Second {
				t.Errorf("%v, %v: it ends after %v, expected %v to %v", step.says, step.err, took, step.from, step.to)
			}
		}
		if asked < 70 || asked > 100 {
			t.Errorf("asked %d times in 24 minutes", asked)
		}
	})
}

// That nobody answers in time is told once.
func TestProgressFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		m, err := newMetrics(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		hangs := func(ctx context.Context, _ time.Time) (map[string]float64, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		f := newForecasts(newOracle(), &Config{PredictorTimeout: time.Second, Progress: hangs}, slog.New(slog.NewTextHandler(&log, nil)), m, func() {})
		for range 3 {
			f.fetchProgress(t.Context())
			time.Sleep(remainingFresh)
		}
		if n := strings.Count(log.String(), "nobody tells how far running jobs are"); n != 1 {
			t.Errorf("told %d times, expected once:\n%s", n, &log)
		}
	})
}
