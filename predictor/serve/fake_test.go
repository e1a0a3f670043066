package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/predictor/serve"
)

var errAway = errors.New("connection refused")

// A server is a store that can be away, hold back its log, and return damaged
// artifacts.
type server struct {
	*store.Store
	puts int // calls of put

	mu      sync.Mutex
	away    chan struct{}                           // closed while the server is away
	held    chan struct{}                           // closed while the log is not held back
	damage  map[string]func([]byte) ([]byte, error) // by version
	watches []time.Time                             // when Watch was called
	follows []time.Time                             // when Follow was called
}

func newServer(t *testing.T) *server {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "runcast.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	open := make(chan struct{})
	close(open)
	return &server{Store: s, away: make(chan struct{}), held: open, damage: map[string]func([]byte) ([]byte, error){}}
}

// leave breaks all streams and refuses every call until come.
func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.away)
}

func (s *server) come() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = make(chan struct{})
}

// hold keeps every follower of the log waiting until release.
func (s *server) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

func (s *server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.held)
}

func (s *server) spoil(version string, damage func([]byte) ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damage[version] = damage
}

// tries returns when the champion and the log were asked for.
func (s *server) tries() (watches, follows []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.watches), slices.Clone(s.follows)
}

// connect returns a context that ends when the server leaves.
func (s *server) connect(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	s.mu.Lock()
	away := s.away
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	select {
	case <-away:
		cancel(errAway)
	default:
		go func() {
			select {
			case <-away:
				cancel(errAway)
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// stream passes on what open yields while the server is there.
func stream[T any](ctx context.Context, s *server, open func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := s.connect(ctx)
		defer cancel(nil)
		for x, err := range open(ctx) {
			if err != nil {
				err = errors.Join(context.Cause(ctx), err)
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

func (s *server) Champion(ctx context.Context) (predictor.ModelInfo, error) {
	ctx, cancel := s.connect(ctx)
	defer cancel(nil)
	if err := context.Cause(ctx); err != nil {
		return predictor.ModelInfo{}, err
	}
	return s.Store.Champion(ctx)
}

func (s *server) Watch(ctx context.Context) iter.Seq2[predictor.ModelInfo, error] {
	s.mu.Lock()
	s.watches = append(s.watches, time.Now())
	s.mu.Unlock()
	return stream(ctx, s, s.Store.Watch)
}

func (s *server) Follow(ctx context.Context, after uint64) iter.Seq2[predictor.Entry, error] {
	s.mu.Lock()
	s.follows = append(s.follows, time.Now())
	s.mu.Unlock()
	return stream(ctx, s, func(ctx context.Context) iter.Seq2[predictor.Entry, error] {
		return func(yield func(predictor.Entry, error) bool) {
			for e, err := range s.Store.Follow(ctx, after) {
				s.mu.Lock()
				held := s.held
				s.mu.Unlock()
				select {
				case <-held:
				case <-ctx.Done():
				}
				if !yield(e, err) {
					return
				}
			}
		}
	})
}

func (s *server) Artifact(ctx context.Context, version string) ([]byte, error) {
	ctx, cancel := s.connect(ctx)
	defer cancel(nil)
	b, err := s.Store.Artifact(ctx, version)
	if err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if damage := s.damage[version]; damage != nil {
		return damage(b)
	}
	return b, nil
}

// put stores n more records of a job that takes so long; they finish now.
func (s *server) put(t *testing.T, n int, runtime time.Duration) {
	t.Helper()
	s.puts++
	records := make([]predictor.JobRecord, n)
	for i := range records {
		at := time.Now().Add(time.Duration(i-n+1) * time.Second).UTC()
		records[i] = predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: fmt.Sprint(s.puts, "/", i), Submitted: at.Add(-runtime), User: "ann", Name: "etl"},
			Started: at.Add(-runtime), Finished: at, Outcome: predictor.Succeeded,
		}
	}
	if _, err := s.Put(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// train publishes a model of all records up to a sequence, and returns its artifact.
func (s *server) train(t *testing.T, version string, sequence uint64) []byte {
	t.Helper()
	m := model.New(1)
	for e, err := range s.Records(t.Context(), time.Time{}, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Sequence <= sequence {
			m.Observe(e.JobRecord)
		}
	}
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	artifact := bytes.Clone(b.Bytes())
	info := predictor.ModelInfo{Version: version, Created: time.Now(), Sequence: sequence}
	info.Records, info.From, info.To = m.Records()
	if err := s.Publish(t.Context(), info, &b); err != nil {
		t.Fatal(err)
	}
	return artifact
}

// A process is a Live that runs until it is stopped or the test ends.
type process struct {
	*serve.Live
	log  *bytes.Buffer
	stop func()
}

func start(t *testing.T, s *server, dir string) process {
	t.Helper()
	log := &bytes.Buffer{}
	p := process{Live: serve.New(s, s, serve.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), log), nil))}), log: log}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// etl is the job that all records are of.
var etl = []predictor.JobSpec{{User: "ann", Name: "etl"}}

// estimate asks p for the one job.
func (p process) estimate(t *testing.T) predictor.Estimate {
	t.Helper()
	e, err := p.Estimate(t.Context(), etl)
	if err != nil {
		t.Fatal(err)
	}
	return e[0]
}
