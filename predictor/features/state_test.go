package features_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// record is the i-th of a history in which a job finishes each minute.
func record(i int) predictor.JobRecord {
	finished := start.Add(time.Duration(i) * time.Minute)
	return predictor.JobRecord{
		JobSpec: predictor.JobSpec{
			ID: fmt.Sprint(i), Submitted: finished.Add(-time.Hour), User: fmt.Sprint("user", i%3), Name: fmt.Sprint("job-", i%7),
			Features: map[string]predictor.Feature{"epochs": {Number: float64(i % 4)}},
		},
		Started: finished.Add(-time.Hour / 2), Finished: finished, Outcome: predictor.Succeeded,
		Usage: predictor.Usage{PeakMemory: predictor.GiB},
	}
}

func observe(s *features.State, r predictor.JobRecord) (*features.Run, bool) {
	keys := features.KeysOf(&r.JobSpec)
	return s.Observe(&r, &keys, func(*features.Run) {})
}

// filled has observed n records of a random history, in order of finish.
func filled(seed uint64, n int) *features.State {
	random := rand.New(rand.NewPCG(seed, 1))
	s := features.NewState()
	for i := range n {
		r := record(i)
		r.Name = fmt.Sprint("job-", random.IntN(5))
		observe(s, r)
	}
	return s
}

// Who asks about a job may not know all that its record tells: what does not make it
// another job does not put it into other groups.
func TestKeysLeaveOut(t *testing.T) {
	r := record(1)
	asked := r.JobSpec
	asked.ID, asked.Submitted, asked.Priority = "other", start, 100
	if got, want := features.KeysOf(&asked), features.KeysOf(&r.JobSpec); got != want {
		t.Errorf("keys %x, want %x", got, want)
	}
}

// A view has what a naive look through the whole history finds: of the latest Window
// jobs of the group that had finished at the time, the runs.
func TestViewTwin(t *testing.T) {
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 2))
		var records []predictor.JobRecord
		var keys []features.Keys
		s := features.NewState()
		for i := range 900 {
			r := record(i)
			r.Name = fmt.Sprint("job-", int(4*math.Abs(random.NormFloat64())))
			r.Finished = r.Finished.Truncate(time.Duration(1+random.IntN(5)) * time.Minute)
			if i > 0 && r.Finished.Before(records[i-1].Finished) {
				r.Finished = records[i-1].Finished // in order, many at once
			}
			records, keys = append(records, r), append(keys, features.KeysOf(&r.JobSpec))
			observe(s, r)
		}
		for range 200 {
			job := random.IntN(len(records))
			at := start.Add(time.Duration(random.IntN(900*60)) * time.Second)
			if random.IntN(10) == 0 {
				at = time.Time{}
			}
			view := s.View(&records[job].JobSpec, &keys[job], at)
			for level, key := range keys[job] {
				if level == features.LevelNearest {
					continue // TestNearest
				}
				var want []string
				for i, r := range records {
					if key != 0 && keys[i][level] == key && (at.IsZero() || !r.Finished.After(at)) {
						want = append(want, r.ID)
					}
				}
				want = want[max(0, len(want)-features.Window):]
				var got []string
				for _, run := range view[level] {
					got = append(got, run.ID)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, level %d at %v: runs %v, want %v", seed, level, at, got, want)
				}
			}
		}
	}
}

func TestObserveTwice(t *testing.T) {
	s := filled(1, 100)
	before, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	again := filled(1, 100)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 100 {
		r := record(i)
		r.Name = fmt.Sprint("job-", random.IntN(5))
		if _, added := observe(again, r); added {
			t.Fatalf("record %d is new the second time", i)
		}
	}
	if after, err := again.AppendBinary(nil); err != nil || !bytes.Equal(before, after) {
		t.Errorf("observing all records again changed the state: %v", err)
	}

	r := record(0)
	random = rand.New(rand.NewPCG(1, 1))
	r.Name, r.Finished = fmt.Sprint("job-", random.IntN(5)), r.Finished.Add(time.Hour)
	run, added := observe(s, r)
	if added || run.Runtime != 90*time.Minute || run.Sequence != 1 {
		t.Errorf("a better record of a job gave %+v, new: %v", run, added)
	}
}

// What no run can have been is not read.
func TestStateRefusesAmounts(t *testing.T) {
	s := features.NewState()
	r := record(1)
	r.RuntimeLimit, r.Requests.Memory = 2*time.Hour, 3*predictor.GiB
	observe(s, r)
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, amount := range []int64{int64(r.Runtime()), int64(r.PeakMemory)} {
		is := binary.AppendVarint(nil, amount)
		if bytes.Count(b, is) != 1 {
			t.Fatalf("%d is not there once", amount)
		}
		for _, bad := range []int64{-amount, math.MaxInt64} {
			changed := bytes.Replace(b, is, binary.AppendVarint(nil, bad), 1)
			if err := features.NewState().UnmarshalBinary(changed); !errors.Is(err, predictor.ErrDamaged) {
				t.Errorf("%d in place of %d: %v, want %v", bad, amount, err, predictor.ErrDamaged)
			}
		}
	}
	bits := func(x float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)) }
	for _, word := range []float64{features.LogSeconds(r.RuntimeLimit), features.LogBytes(r.Requests.Memory)} {
		if bytes.Count(b, bits(word)) != 1 {
			t.Fatalf("word %g is not there once", word)
		}
		for _, bad := range []float64{math.NaN(), math.Inf(-1), 1000} {
			changed := bytes.Replace(b, bits(word), bits(bad), 1)
			if err := features.NewState().UnmarshalBinary(changed); !errors.Is(err, predictor.ErrDamaged) {
				t.Errorf("word %g in place of %g: %v, want %v", bad, word, err, predictor.ErrDamaged)
			}
		}
	}
}

// Records that say nothing leave no trace; clocks that disagree are read as far as they
// make sense.
func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		name                         string
		submitted, started, finished time.Time
		want                         time.Duration // zero if the record says nothing
		seen                         time.Time     // submitted, as it is taken
	}{
		{"in order", start, start.Add(1 * time.Hour), start.Add(3 * time.Hour), 2 * time.Hour, start},
		{"never started", start, time.Time{}, start, 0, time.Time{}},
		{"finished before it started", start, start.Add(time.Hour), start, 0, time.Time{}},
		{"started before it was submitted", start.Add(time.Hour), start, start.Add(time.Hour), time.Hour, start},
		{"submission unknown", time.Time{}, start, start.Add(time.Hour), time.Hour, start},
		{"took no time", start, start, start, time.Millisecond, start},
		{"took a million years", start, start, start.AddDate(1e6, 0, 0), predictor.MaxDuration, start},
	} {
		s := features.NewState()
		run, added := observe(s, predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: "a", Submitted: tt.submitted}, Started: tt.started, Finished: tt.finished,
		})
		if tt.want == 0 {
			if run != nil || added || s.Len() != 0 {
				t.Errorf("%s: %+v in %d groups", tt.name, run, s.Len())
			}
			continue
		}
		if run == nil || !added || run.Runtime != tt.want || !run.Submitted.Equal(tt.seen) {
			t.Errorf("%s: %+v, want %v, submitted %v", tt.name, run, tt.want, tt.seen)
		}
	}
}

// An input that was a number and is a text is another kind of job, not an error.
func TestFeatureChangesType(t *testing.T) {
	number := predictor.JobSpec{Name: "a", Features: map[string]predictor.Feature{"size": {Number: 5}}}
	text := predictor.JobSpec{Name: "a", Features: map[string]predictor.Feature{"size": {Text: "5"}}}
	if a, b := features.KeysOf(&number), features.KeysOf(&text); a[0] == b[0] || a[features.NumLevels-1] != b[features.NumLevels-1] {
		t.Errorf("groups %v and %v", a, b)
	}
	a, b := features.AskOf(&number), features.AskOf(&text)
	if len(a.Inputs) != len(b.Inputs)+1 || a.Inputs[0].Kind != features.Declared || b.Inputs[0].Kind == features.Declared {
		t.Errorf("inputs %v and %v", a.Inputs, b.Inputs)
	}
}

// A group remembers a bounded number of runs, however many it has seen, in whatever order.
func TestLargeGroup(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	s := features.NewState()
	var sizes []int
	const n = 8000
	for i, at := range random.Perm(n) {
		r := record(at)
		r.User, r.Name, r.Features = "ann", "etl", nil
		if _, added := observe(s, r); !added {
			t.Fatalf("record %d is not new", i)
		}
		if i == n/4 || i == n-1 {
			b, err := s.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(b))
		}
	}
	if sizes[1] > sizes[0]*11/10 {
		t.Errorf("%d bytes after %d records, %d after %d", sizes[0], n/4, sizes[1], n)
	}
	r := record(0)
	r.User, r.Name, r.Features = "ann", "etl", nil
	keys := features.KeysOf(&r.JobSpec)
	if g := s.Group(keys[features.NumLevels-1]); g.Count != n {
		t.Errorf("the group counts %d runs, want %d", g.Count, n)
	}
	for range 100 {
		checkView(t, s.View(&r.JobSpec, &keys, start.Add(time.Duration(random.IntN(2*n)-n/2)*time.Minute)))
	}
}
