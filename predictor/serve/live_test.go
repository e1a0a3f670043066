package serve_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runcast/runcast/predictor"
)

// wantState waits until nothing moves and checks what is in service.
func (p process) wantState(t *testing.T, version string, sequence uint64, err error) {
	t.Helper()
	synctest.Wait()
	s := p.State()
	if s.Model.Version != version || s.Sequence != sequence || !errors.Is(s.Err, err) || err == nil && s.Err != nil {
		t.Fatalf("model %q at sequence %d, %v; want %q at %d, %v", s.Model.Version, s.Sequence, s.Err, version, sequence, err)
	}
	if vacant := version == "" && err == nil; s.Vacant != vacant {
		t.Fatalf("vacant: %t, want %t", s.Vacant, vacant)
	}
	if version != "" {
		if e := p.estimate(t); e.Model != version {
			t.Fatalf("the estimate is of model %q, want %q", e.Model, version)
		}
	}
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := start(t, s, "")

		// There is no model yet.
		p.wantState(t, "", 0, nil)
		if _, err := p.Estimate(t.Context(), etl); !errors.Is(err, predictor.ErrNoModel) {
			t.Errorf("Estimate: %v, want %v", err, predictor.ErrNoModel)
		}
		if _, err := p.Remaining(t.Context(), []predictor.RunningJob{{}}); !errors.Is(err, predictor.ErrNoModel) {
			t.Errorf("Remaining: %v, want %v", err, predictor.ErrNoModel)
		}
		if _, err := p.Explain(t.Context(), etl[0]); !errors.Is(err, predictor.ErrNoModel) {
			t.Errorf("Explain: %v, want %v", err, predictor.ErrNoModel)
		}

		// The first one is served as soon as it is published.
		s.put(t, 30, 10*time.Minute)
		s.train(t, "v1", 30)
		p.wantState(t, "v1", 30, nil)
		if got := p.estimate(t).Runtime; got != predictor.Exactly(got.P50) || got.P50.Round(time.Second) != 10*time.Minute {
			t.Errorf("jobs of ten minutes are estimated at %v", got)
		}
		if x, err := p.Explain(t.Context(), etl[0]); err != nil || x.Estimate.Model != "v1" {
			t.Errorf("Explain = %+v, %v, want it of v1", x.Estimate, err)
		}
		left, err := p.Remaining(t.Context(), []predictor.RunningJob{{JobSpec: etl[0], Elapsed: 4 * time.Minute}, {JobSpec: etl[0], Elapsed: 9 * time.Minute}})
		if err != nil || len(left) != 2 || left[0].P50.Round(time.Second) != 6*time.Minute || left[1].P50.Round(time.Second) != time.Minute {
			t.Errorf("Remaining = %v, %v, want six minutes and one", left, err)
		}

		// It learns from each job that finishes, and knows how late it heard of it.
		time.Sleep(time.Hour)
		s.put(t, 60, 20*time.Minute)
		p.wantState(t, "v1", 90, nil)
		if got := p.estimate(t).Runtime.P50.Round(time.Second); got != 20*time.Minute {
			t.Errorf("after 60 jobs of twenty minutes the estimate is %v", got)
		}
		if got := p.State().Lag; got != 0 {
			t.Errorf("lag %v, want none", got)
		}
		s.hold()
		s.put(t, 1, 20*time.Minute)
		time.Sleep(5 * time.Second)
		s.release()
		p.wantState(t, "v1", 91, nil)
		if got := p.State().Lag; got != 5*time.Second {
			t.Errorf("lag %v, want 5s", got)
		}
	})
}

func TestLiveRefusesBadJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put(t, 1, time.Minute)
		s.train(t, "v1", 1)
		p := start(t, s, "")
		p.wantState(t, "v1", 1, nil)
		bad := predictor.JobSpec{Requests: predictor.Resources{CPUCores: math.NaN()}}
		_, estimate := p.Estimate(t.Context(), []predictor.JobSpec{etl[0], bad})
		_, remaining := p.Remaining(t.Context(), []predictor.RunningJob{{JobSpec: bad}})
		_, explain := p.Explain(t.Context(), bad)
		for _, err := range []error{estimate, remaining, explain} {
			var invalid *predictor.ValidationError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "requests.cpu_cores") {
				t.Errorf("got %v, want a ValidationError of requests.cpu_cores", err)
			}
		}
		if !strings.HasPrefix(estimate.Error(), "job 1: ") {
			t.Errorf("%q does not say which job", estimate)
		}
		if none, err := p.Estimate(t.Context(), nil); len(none) != 0 || err != nil {
			t.Errorf("no jobs give %v, %v", none, err)
		}
	})
}

// TestLiveSwaps keeps many callers asking while models and records come. Not one call
// fails, each is answered by one model, and none goes back to an older one.
func TestLiveSwaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const models, callers = 12, 8
		s := newServer(t)
		s.put(t, 10, time.Minute)
		s.train(t, "v00", 10)
		p := start(t, s, t.TempDir())
		p.wantState(t, "v00", 10, nil)
		var wg sync.WaitGroup
		done := make(chan struct{})
		for c := range callers {
			wg.Go(func() {
				rng, last := rand.New(rand.NewPCG(uint64(c), 0)), ""
				for calls := 0; ; calls++ {
					select {
					case <-done:
						if calls < 100 || last != "v11" {
							t.Errorf("caller %d: %d calls, the last answered by %s", c, calls, last)
						}
						return
					default:
					}
					all, err := p.Estimate(t.Context(), []predictor.JobSpec{etl[0], etl[0], etl[0]})
					if err != nil {
						t.Errorf("caller %d: %v", c, err)
						return
					}
					for _, e := range all {
						if e.Model < last || e.Model != all[0].Model || !e.Runtime.Valid() {
							t.Errorf("caller %d: %s after %s: %v", c, e.Model, last, e.Runtime)
						}
						last = e.Model
					}
					time.Sleep(time.Duration(rng.IntN(int(20 * time.Millisecond))))
				}
			})
		}
		for v := 1; v < models; v++ {
			s.put(t, 5, time.Minute)
			time.Sleep(30 * time.Millisecond)
			s.train(t, "v"+string(rune('0'+v/10))+string(rune('0'+v%10)), uint64(5*v))
			time.Sleep(100 * time.Millisecond)
		}
		close(done)
		wg.Wait()
		p.wantState(t, "v11", 10+5*(models-1), nil)
	})
}

// A new model knows less than the one in service until it has caught up.
func TestLiveCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put(t, 10, time.Minute)
		s.train(t, "v1", 10)
		p := start(t, s, "")
		s.put(t, 90, time.Hour)
		p.wantState(t, "v1", 100, nil)

		s.hold()
		s.train(t, "v2", 10)
		time.Sleep(30 * time.Second)
		p.wantState(t, "v1", 100, nil)
		s.release()
		p.wantState(t, "v2", 100, nil)
		if got := p.estimate(t).Runtime.P50.Round(time.Second); got != time.Hour {
			t.Errorf("it took over with an estimate of %v, want what the last 90 jobs took", got)
		}

		// It does not wait for ever: its log may be another one.
		s.hold()
		s.train(t, "v3", 10)
		time.Sleep(59 * time.Second)
		p.wantState(t, "v2", 100, nil)
		time.Sleep(2 * time.Second)
		p.wantState(t, "v3", 10, nil)
		s.release()
		p.wantState(t, "v3", 100, nil)
	})
}

// A champion that cannot be used leaves the one in service where it is.
func TestLiveKeepsWhatWorks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func([]byte) ([]byte, error)
		want   error
	}{
		{"a bit has flipped", func(b []byte) ([]byte, error) { b[len(b)/2] ^= 1; return b, nil }, predictor.ErrDamaged},
		{"its end is missing", func(b []byte) ([]byte, error) { return b[:len(b)-1], nil }, predictor.ErrDamaged},
		{"nothing is left", func([]byte) ([]byte, error) { return nil, nil }, predictor.ErrDamaged},
		{"it is lost", func([]byte) ([]byte, error) { return nil, predictor.ErrNotFound }, predictor.ErrNotFound},
		{"a newer runcast wrote it", func([]byte) ([]byte, error) { return nil, predictor.ErrNewerSchema }, predictor.ErrNewerSchema},
		{"an older runcast wrote it", func([]byte) ([]byte, error) { return nil, predictor.ErrOlderSchema }, predictor.ErrOlderSchema},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.put(t, 10, time.Minute)
				s.train(t, "v1", 10)
				dir := t.TempDir()
				p := start(t, s, dir)
				p.wantState(t, "v1", 10, nil)
				s.spoil("v2", tt.damage)
				s.train(t, "v2", 10)
				p.wantState(t, "v1", 10, tt.want)
				if !strings.Contains(p.State().Err.Error(), "v2") {
					t.Errorf("%q does not say which model", p.State().Err)
				}

				// It goes on learning, and another process starts from the same copy.
				s.put(t, 1, time.Minute)
				p.wantState(t, "v1", 11, tt.want)
				start(t, s, dir).wantState(t, "v1", 11, tt.want)

				// It asks for the same bytes no more.
				time.Sleep(time.Hour)
				if watches, _ := s.tries(); len(watches) != 2 {
					t.Errorf("two processes have asked %d times for the champion", len(watches))
				}
				s.train(t, "v3", 10)
				p.wantState(t, "v3", 11, nil)
			})
		})
	}
}

// An artifact that does not match its description is refused even if it decodes.
func TestLiveChecksTheChecksum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put(t, 10, time.Minute)
		other := s.train(t, "v1", 9)
		p := start(t, s, "")
		p.wantState(t, "v1", 10, nil)
		s.spoil("v2", func([]byte) ([]byte, error) { return other, nil })
		s.train(t, "v2", 10)
		p.wantState(t, "v1", 10, predictor.ErrDamaged)
	})
}

// A server that is away stops nothing, and nothing is missed.
func TestLiveWithoutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := newServer(t), t.TempDir()
		s.put(t, 10, time.Minute)
		s.train(t, "v1", 10)
		p := start(t, s, dir)
		p.wantState(t, "v1", 10, nil)
		s.leave()
		p.wantState(t, "v1", 10, errAway)
		s.put(t, 5, time.Minute)

		// A process that starts meanwhile begins with the local copy, one without has no model.
		p.stop()
		p = start(t, s, dir)
		p.wantState(t, "v1", 10, errAway)
		without := start(t, s, "")
		without.wantState(t, "", 0, errAway)
		if _, err := without.Estimate(t.Context(), etl); !errors.Is(err, predictor.ErrNoModel) {
			t.Errorf("Estimate: %v, want %v", err, predictor.ErrNoModel)
		}

		// It tries again, ever less often.
		time.Sleep(time.Hour)
		if watches, _ := s.tries(); len(watches) > 2*70 {
			t.Errorf("two processes have tried %d times in an hour", len(watches))
		}
		p.wantState(t, "v1", 10, errAway)

		s.come()
		time.Sleep(time.Minute)
		p.wantState(t, "v1", 15, nil)
		without.wantState(t, "v1", 15, nil)
		s.train(t, "v2", 12)
		p.wantState(t, "v2", 15, nil)

		// After a success it is as quick as at first.
		for range 5 {
			time.Sleep(2 * time.Minute)
			s.leave()
			p.wantState(t, "v2", 15, errAway)
			s.come()
			time.Sleep(2 * time.Second)
			p.wantState(t, "v2", 15, nil)
		}
	})
}

// The waits between tries double from a second to a minute, for the champion and for
// the log alike.
func TestLiveBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put(t, 10, time.Minute)
		s.train(t, "v1", 10)
		p := start(t, s, "")
		p.wantState(t, "v1", 10, nil)
		time.Sleep(time.Hour)
		left := time.Now()
		s.leave()
		time.Sleep(5 * time.Minute)
		p.stop()
		watches, follows := s.tries()
		for what, tries := range map[string][]time.Time{"champion": watches, "log": follows} {
			var waits []time.Duration
			last := left
			for _, at := range tries {
				if at.After(left) {
					waits, last = append(waits, at.Sub(last)/time.Second), at
				}
			}
			if want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}; !slices.Equal(waits, want) {
				t.Errorf("%s: waits of %d s, want %d s", what, waits, want)
			}
		}
	})
}

// Wherever it is, it stops at once, and goes on answering with what it has.
func TestLiveStops(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(*testing.T, *server)
	}{
		{"serving", func(*testing.T, *server) {}},
		{"catching up", func(t *testing.T, s *server) { s.hold(); s.train(t, "v2", 5) }},
		{"learning", func(t *testing.T, s *server) { s.hold(); s.put(t, 5, time.Minute) }},
		{"waiting for the server", func(_ *testing.T, s *server) { s.leave(); time.Sleep(10 * time.Minute) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.put(t, 10, time.Minute)
				s.train(t, "v1", 10)
				p := start(t, s, t.TempDir())
				synctest.Wait()
				tt.before(t, s)
				synctest.Wait()
				begun := time.Now()
				p.stop()
				if took := time.Since(begun); took != 0 {
					t.Errorf("it took %v to stop", took)
				}
				if e := p.estimate(t); e.Model != "v1" {
					t.Errorf("the estimate is of %q, want v1", e.Model)
				}
			})
		})
	}
}

// No model and a quiet server are no error, also after it was away.
func TestLiveRecoversWithoutAModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.leave()
		p := start(t, s, "")
		p.wantState(t, "", 0, errAway)
		s.come()
		time.Sleep(time.Minute)
		p.wantState(t, "", 0, nil)
	})
}

// On the volume of an older release the champion may be of a schema that is not read any
// more: it says so, and serves from the next training on.
func TestLiveAfterAnUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put(t, 10, time.Minute)
		older := s.train(t, "v1", 10)
		older[len("RUNCASTM")]-- // the schema follows the magic
		if err := s.Publish(t.Context(), predictor.ModelInfo{Version: "v2", Sequence: 10}, bytes.NewReader(older)); err != nil {
			t.Fatal(err)
		}
		p := start(t, s, t.TempDir())
		p.wantState(t, "", 0, predictor.ErrOlderSchema)
		if said := p.State().Err.Error(); !strings.Contains(said, "model v2: artifact: schema ") || strings.Contains(said, "damaged") {
			t.Errorf("it says %q", said)
		}
		if _, err := p.Estimate(t.Context(), etl); !errors.Is(err, predictor.ErrNoModel) {
			t.Errorf("error %v, want that there is no model", err)
		}
		s.train(t, "v3", 10)
		p.wantState(t, "v3", 10, nil)
	})
}

// A collector may begin a new log, whose sequences start again at one.
func TestLiveWithANewLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, dir := newServer(t), t.TempDir()
		old.put(t, 100, time.Minute)
		old.train(t, "v1", 100)
		p := start(t, old, dir)
		p.wantState(t, "v1", 100, nil)
		p.stop()

		s := newServer(t)
		s.put(t, 10, time.Hour)
		s.train(t, "v2", 5)
		p = start(t, s, dir)
		time.Sleep(2 * time.Minute)
		p.wantState(t, "v2", 10, nil)
	})
}

// A damaged copy is as good as none.
func TestLiveLocalCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := newServer(t), t.TempDir()
		s.put(t, 10, time.Minute)
		s.train(t, "v1", 10)
		p := start(t, s, dir)
		p.wantState(t, "v1", 10, nil)
		p.stop()
		files, err := os.ReadDir(dir)
		if err != nil || len(files) == 0 {
			t.Fatalf("the copy is %v, %v", files, err)
		}
		whole := map[string][]byte{}
		for _, f := range files {
			if whole[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
		s.leave()
		for name, content := range whole {
			for _, damaged := range [][]byte{nil, content[:len(content)/2], content[:len(content)-1], []byte("{}")} {
				if err := os.WriteFile(filepath.Join(dir, name), damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				p := start(t, s, dir)
				p.wantState(t, "", 0, errAway)
				p.stop()
				if !strings.Contains(p.log.String(), "no local copy") {
					t.Errorf("%s damaged: the log says %q", name, p.log)
				}
			}
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			p := start(t, s, dir)
			p.wantState(t, "", 0, errAway)
			p.stop()
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		start(t, s, dir).wantState(t, "v1", 10, errAway)
	})
}

// Where no copy can be written, the model is served all the same.
func TestLiveWithoutADirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put(t, 10, time.Minute)
		s.train(t, "v1", 10)
		p := start(t, s, filepath.Join(t.TempDir(), "missing"))
		p.wantState(t, "v1", 10, nil)
		if !strings.Contains(p.log.String(), "not up to date") {
			t.Errorf("the log says %q", p.log)
		}
	})
}
