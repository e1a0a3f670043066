package train_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/predictor/train"
)

// start is when the histories of the tests begin.
var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// at is a number of minutes into the history.
func at(minutes float64) time.Time { return start.Add(time.Duration(minutes * float64(time.Minute))) }

// training stamps models with the n-th day after the history's start.
func training(day int) train.Training {
	return train.Training{Seed: 1, Now: func() time.Time { return start.AddDate(0, 0, day) }}
}

// job is a record of user ann's job of a name, submitted after so many minutes.
func job(id int, name string, submitted, minutes float64) predictor.JobRecord {
	return predictor.JobRecord{
		JobSpec:  predictor.JobSpec{ID: fmt.Sprint(name, "-", id), Submitted: at(submitted), User: "ann", Name: name},
		Started:  at(submitted),
		Finished: at(submitted + minutes),
		Outcome:  predictor.Succeeded,
	}
}

// jobs are n jobs of a name, one a minute from a minute on, each minutes long, give
// or take a tenth.
func jobs(name string, n int, from, minutes float64) []predictor.JobRecord {
	rng := rand.New(rand.NewPCG(1, uint64(from)))
	records := make([]predictor.JobRecord, n)
	for i := range records {
		records[i] = job(int(from)+i, name, from+float64(i), minutes*(0.9+0.2*rng.Float64()))
	}
	return records
}

func newStore(t *testing.T, records ...predictor.JobRecord) *store.Store {
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
	put(t, s, records...)
	return s
}

func put(t *testing.T, s *store.Store, records ...predictor.JobRecord) {
	t.Helper()
	if n, err := s.Put(t.Context(), records); err != nil || n != len(records) {
		t.Fatalf("put %d records, %v, want %d", n, err, len(records))
	}
}

// publish puts a model in service that has learned from records, and says that it has
// seen the history up to a sequence.
func publish(t *testing.T, s *store.Store, sequence uint64, records ...predictor.JobRecord) {
	t.Helper()
	m := model.New(1)
	for _, r := range records {
		m.Observe(r)
	}
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	info := predictor.ModelInfo{Version: "old", Created: start.AddDate(0, 0, 1), Sequence: sequence}
	info.Records, info.From, info.To = m.Records()
	if err := s.Publish(t.Context(), info, &b); err != nil {
		t.Fatal(err)
	}
}

// wantChampion checks which model is in service and how many there are.
func wantChampion(t *testing.T, s *store.Store, version string, models int) {
	t.Helper()
	list, err := s.List(t.Context())
	if err != nil || len(list) != models {
		t.Errorf("%d models, %v, want %d", len(list), err, models)
	}
	info, err := s.Champion(t.Context())
	if version == "" && errors.Is(err, predictor.ErrNoModel) {
		return
	}
	if err != nil || info.Version != version {
		t.Errorf("model %q in service, %v, want %q", info.Version, err, version)
	}
}

func wantReason(t *testing.T, info predictor.ModelInfo, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(info.Reason, part) {
			t.Errorf("the reason is %q, want something of %q", info.Reason, part)
		}
	}
}

func TestTrainFirstModel(t *testing.T) {
	records := jobs("etl", 100, 0, 30)
	s := newStore(t, records...)
	info, err := train.Train(t.Context(), s, s, training(1))
	if err != nil {
		t.Fatal(err)
	}
	wantChampion(t, s, info.Version, 1)
	wantReason(t, info, "the first model; pinball loss", "2026-03-01 01:20:00 UTC (20 succeeded)")
	artifact, err := s.Artifact(t.Context(), info.Version)
	if err != nil {
		t.Fatal(err)
	}
	if info.SHA256 != model.Fingerprint(artifact) || info.Size != int64(len(artifact)) || info.Schema != model.Schema {
		t.Errorf("%+v does not describe the artifact of %d bytes", info, len(artifact))
	}
	if want := start.AddDate(0, 0, 1); !info.Created.Equal(want) || !strings.HasPrefix(info.Version, "20260302T000000Z-"+info.SHA256[:8]) {
		t.Errorf("version %s created %v, want it of %v and of checksum %s", info.Version, info.Created, want, info.SHA256)
	}
	from, to := records[0].Finished, records[0].Finished
	for _, r := range records {
		if r.Finished.Before(from) {
			from = r.Finished
		}
		if r.Finished.After(to) {
			to = r.Finished
		}
	}
	if info.Records != 100 || info.Sequence != 100 || !info.From.Equal(from) || !info.To.Equal(to) {
		t.Errorf("%d records to sequence %d from %v to %v, want 100 to 100 from %v to %v", info.Records, info.Sequence, info.From, info.To, from, to)
	}
	m, err := model.Decode(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Estimate(&records[0].JobSpec).Runtime.P50; got < 27*time.Minute || got > 33*time.Minute {
		t.Errorf("jobs of 27 to 33 minutes are estimated at %v", got)
	}
}

// What the first model is judged by is the backtest of the whole history: to teach
// most of it first and to replay the rest is only cheaper.
func TestTrainScoresAreThoseOfABacktest(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var records []predictor.JobRecord
		for i := range 200 {
			submitted := rng.Float64() * 600
			r := job(i, []string{"etl", "train", "test"}[rng.IntN(3)], submitted, 0.1+rng.ExpFloat64()*60)
			if rng.IntN(10) == 0 {
				r.Outcome = predictor.Evicted
			}
			records = append(records, r)
		}
		s := newStore(t, records...)
		info, err := train.Train(t.Context(), s, s, training(1))
		if err != nil {
			t.Fatal(err)
		}
		report, err := train.Backtest(records, train.Options{Start: 0.8, Seed: 1, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if want := report.Predictors[train.Runcast]; info.PinballP50 != want.PinballP50 || info.PinballP90 != want.PinballP90 {
			t.Errorf("seed %d: pinball loss %v and %v, a backtest says %v and %v", seed, info.PinballP50, info.PinballP90, want.PinballP50, want.PinballP90)
		}
		wantReason(t, info, fmt.Sprintf("(%d succeeded)", report.Jobs))
	}
}

// A burst is submitted before any of it has finished. It is judged all the same.
func TestTrainJudgesABurst(t *testing.T) {
	var burst []predictor.JobRecord
	for i := range 100 {
		burst = append(burst, job(i, "burst", 0.01, 10+float64(i)/10))
	}
	s := newStore(t, burst...)
	first, err := train.Train(t.Context(), s, s, training(1))
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, first, "the first model; pinball loss", "(100 succeeded)")

	for i := range burst {
		burst[i] = job(100+i, "burst", 200.01, 10+float64(i)/10)
	}
	put(t, s, burst...)
	second, err := train.Train(t.Context(), s, s, training(2))
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, second, "(100 succeeded)", "of model "+first.Version)
	if !(second.PinballP50 < first.PinballP50/2) {
		t.Errorf("the second burst costs %g, hardly less than the first, of which nothing was known: %g", second.PinballP50, first.PinballP50)
	}
}

func TestTrainNothingSucceeded(t *testing.T) {
	records := jobs("etl", 30, 0, 30)
	for i := range records {
		records[i].Outcome = predictor.Failed
	}
	s := newStore(t, records...)
	info, err := train.Train(t.Context(), s, s, training(1))
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, info, "the first model; not judged: no job submitted since 2026-03-01 00:24:00 UTC has succeeded")
}

func TestTrainNothingToLearnFrom(t *testing.T) {
	neverRan := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "a"}, Finished: start, Outcome: predictor.Cancelled}
	for name, records := range map[string][]predictor.JobRecord{"no record": nil, "a job that never ran": {neverRan}} {
		s := newStore(t, records...)
		if _, err := train.Train(t.Context(), s, s, training(1)); !errors.Is(err, train.ErrNothingToJudge) {
			t.Errorf("%s: %v, want %v", name, err, train.ErrNothingToJudge)
		}
		wantChampion(t, s, "", 0)
	}
}

func TestTrainPublishesWhatIsBetter(t *testing.T) {
	s := newStore(t, jobs("etl", 100, 0, 30)...)
	publish(t, s, 0, jobs("etl", 100, -1000, 300)...) // it believes in ten times as much
	info, err := train.Train(t.Context(), s, s, training(2))
	if err != nil {
		t.Fatal(err)
	}
	wantChampion(t, s, info.Version, 2)
	wantReason(t, info, "pinball loss", "(20 succeeded), against", "of model old")
}

// Retention has removed most of what the model in service knows.
func TestTrainRefusesWhatIsWorse(t *testing.T) {
	past, present := jobs("etl", 200, 0, 30), jobs("other", 100, 1000, 3)
	present = append(present, jobs("etl", 30, 1100, 30)...)
	s := newStore(t, present...)
	publish(t, s, 0, past...)
	info, err := train.Train(t.Context(), s, s, training(2))
	if !errors.Is(err, predictor.ErrNotBetter) {
		t.Fatalf("got %v, want %v", err, predictor.ErrNotBetter)
	}
	if !strings.Contains(err.Error(), info.Reason) {
		t.Errorf("the error %q lacks the reason %q", err, info.Reason)
	}
	wantReason(t, info, "pinball loss", "(26 succeeded), against", "of model old")
	wantChampion(t, s, "old", 1)
}

func TestTrainRefusesWithTooFewJobs(t *testing.T) {
	records := jobs("etl", 100, 0, 30)
	s := newStore(t, records...)
	first, err := train.Train(t.Context(), s, s, training(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range [][]predictor.JobRecord{nil, jobs("etl", 19, 200, 30)} {
		put(t, s, add...)
		info, err := train.Train(t.Context(), s, s, training(2))
		if !errors.Is(err, predictor.ErrNotBetter) {
			t.Errorf("%d new jobs: %v, want %v", len(add), err, predictor.ErrNotBetter)
		}
		wantReason(t, info, fmt.Sprintf("only %d succeeded; 20 are needed to compare with model %s", len(add), first.Version))
		wantChampion(t, s, first.Version, 1)
	}
}

// The model in service has learned on since it was trained. A new one must not win
// only because it has seen more.
func TestTrainLetsTheChampionLearnOn(t *testing.T) {
	old := jobs("etl", 100, 0, 30)
	s := newStore(t, old...)
	publish(t, s, 100, old...)
	put(t, s, jobs("new", 400, 200, 5)...) // of which the last 20 % judge
	info, err := train.Train(t.Context(), s, s, training(2))
	if err != nil && !errors.Is(err, predictor.ErrNotBetter) {
		t.Fatal(err)
	}
	var p50, p90 float64
	_, against, _ := strings.Cut(info.Reason, "against ")
	if _, err := fmt.Sscanf(against, "%f s and %f s", &p50, &p90); err != nil {
		t.Fatalf("%q: %v", info.Reason, err)
	}
	if p50 > 1.1*info.PinballP50+0.1 || p90 > 1.1*info.PinballP90+0.1 {
		t.Errorf("the model in service loses more than a tenth though both know the same: %s", info.Reason)
	}
}

// One record with a clock that runs a century ahead does not end all training.
func TestTrainAfterAClockRanAhead(t *testing.T) {
	const century = 100 * 365 * 24 * 60
	s := newStore(t, append(jobs("etl", 100, 0, 30), job(0, "odd", century, 30))...)
	first, err := train.Train(t.Context(), s, s, training(1))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, jobs("etl", 60, 60*24+1, 30)...)
	info, err := train.Train(t.Context(), s, s, training(2))
	if err != nil && !errors.Is(err, predictor.ErrNotBetter) {
		t.Fatal(err)
	}
	wantReason(t, info, "(32 succeeded), against", first.Version)
}

func TestTrainReplacesWhatCannotBeRead(t *testing.T) {
	records := jobs("etl", 100, 0, 30)
	lost := fmt.Errorf("model old: %w", predictor.ErrNotFound)
	newer := newStore(t)
	publish(t, newer, 0, records...)
	artifact, err := newer.Artifact(t.Context(), "old")
	if err != nil {
		t.Fatal(err)
	}
	older := bytes.Clone(artifact)
	older[8]-- // the schema follows the eight bytes of magic
	artifact[8]++
	for _, tt := range []struct {
		name     string
		artifact string
		err      error // of reading it, nil for none
		said     string
	}{
		{"garbage", "not a model at all", nil, "damaged"},
		{"newer schema", string(artifact), nil, "newer version"},
		{"older schema", string(older), nil, "older version"},
		{"lost", "x", lost, "not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, records...)
			// It says that it was trained on all, and later.
			old := predictor.ModelInfo{Version: "old", Created: start.AddDate(0, 1, 0), To: start.AddDate(0, 1, 0), Sequence: 1000}
			if err := s.Publish(t.Context(), old, strings.NewReader(tt.artifact)); err != nil {
				t.Fatal(err)
			}
			info, err := train.Train(t.Context(), s, registry{Models: s, artifact: tt.err}, training(2))
			if err != nil {
				t.Fatal(err)
			}
			wantReason(t, info, "pinball loss", "(20 succeeded); the model in service, old, cannot be read", tt.said)
			wantChampion(t, s, info.Version, 2)
		})
	}
}

// A registry fails where it is told to.
type registry struct {
	predictor.Models
	champion, artifact, publish error
}

func (r registry) Champion(ctx context.Context) (predictor.ModelInfo, error) {
	if r.champion != nil {
		return predictor.ModelInfo{}, r.champion
	}
	return r.Models.Champion(ctx)
}

func (r registry) Artifact(ctx context.Context, version string) ([]byte, error) {
	if r.artifact != nil {
		return nil, r.artifact
	}
	return r.Models.Artifact(ctx, version)
}

func (r registry) Publish(ctx context.Context, info predictor.ModelInfo, artifact io.Reader) error {
	if r.publish != nil {
		return r.publish
	}
	return r.Models.Publish(ctx, info, artifact)
}

// While the registry cannot be reached, nothing is known of the model in service, and
// nothing replaces it.
func TestTrainWithoutTheRegistry(t *testing.T) {
	away := errors.New("connection refused")
	for name, r := range map[string]registry{
		"champion": {champion: away},
		"artifact": {artifact: away},
		"publish":  {publish: away},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, jobs("etl", 100, 0, 30)...)
			publish(t, s, 0, jobs("etl", 100, -1000, 300)...)
			r.Models = s
			if _, err := train.Train(t.Context(), s, r, training(2)); !errors.Is(err, away) {
				t.Errorf("got %v, want %v", err, away)
			}
			wantChampion(t, s, "old", 1)
		})
	}
}

// An interrupted history ends after some entries, counted over all that is read.
type interrupted struct {
	predictor.History
	after  int
	cancel func()
}

func (h *interrupted) Records(ctx context.Context, from, to time.Time) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		for e, err := range h.History.Records(ctx, from, to) {
			if h.after--; h.after == 0 {
				h.cancel()
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Whenever a training is interrupted, it publishes all or nothing.
func TestTrainInterrupted(t *testing.T) {
	const n = 30
	s := newStore(t, jobs("etl", n, 0, 30)...)
	for after := 1; after <= 2*n; after++ {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := train.Train(ctx, &interrupted{s, after, cancel}, s, training(1))
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted after %d entries: %v, want %v", after, err, context.Canceled)
		}
		wantChampion(t, s, "", 0)
	}
}

// growing is a history into which records are put while it is read for the second time,
// each after an entry that finished before or after it.
type growing struct {
	*store.Store
	t     *testing.T
	reads int
	put   []predictor.JobRecord
}

func (g *growing) Records(ctx context.Context, from, to time.Time) iter.Seq2[predictor.Entry, error] {
	g.reads++
	second := g.reads == 2
	return func(yield func(predictor.Entry, error) bool) {
		read := 0
		for e, err := range g.Store.Records(ctx, from, to) {
			if second && read > 0 && read <= len(g.put) {
				put(g.t, g.Store, g.put[read-1])
			}
			read++
			if !yield(e, err) {
				return
			}
		}
	}
}

// What is put behind the reader is not learned, and what is put ahead of it is: the model
// does not claim to have seen either.
func TestTrainWhileRecordsArrive(t *testing.T) {
	s := newStore(t, jobs("etl", 100, 0, 30)...)
	g := &growing{Store: s, t: t, put: []predictor.JobRecord{job(500, "etl", 0, 1), job(501, "etl", 150, 30)}}
	info, err := train.Train(t.Context(), g, s, training(1))
	if err != nil {
		t.Fatal(err)
	}
	if info.Records != 101 || info.Sequence != 100 {
		t.Errorf("%d records to sequence %d, want 101 to 100", info.Records, info.Sequence)
	}
}

func TestTrainIsReproducible(t *testing.T) {
	records := append(jobs("etl", 60, 0, 30), jobs("train", 60, 30, 300)...)
	var sums []string
	for range 2 {
		s := newStore(t, records...)
		info, err := train.Train(t.Context(), s, s, training(1))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, info.SHA256)
	}
	if sums[0] != sums[1] {
		t.Errorf("the same history gave models %s and %s", sums[0], sums[1])
	}
}
