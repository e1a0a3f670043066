package features_test

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// texts are names and commands that have been met, and some that nobody should send.
var texts = []string{
	"", "nightly-etl", "train-resnet-8f3k2", "etl-20261125", "job-6f1d2c3b-4a5e-6789-abcd-ef0123456789",
	"python train.py --epochs 90 --lr=1e-3 -n 5 7", "--x=NaN --y=Inf z=-0 1e999", "-", "--", "=", "a=1=2 -b -c",
	"Größe7", "ȺȺȺ1", "\xff\xfe-\x80", "\x00", strings.Repeat("ab1-", 2500), strings.Repeat("\xff", 10_000), strings.Repeat("Ⱥ", 500),
}

// numbers are amounts from none to absurd.
var numbers = []float64{0, 1, 0.5, -1, 1e-300, 1e300, -1e300, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1)}

func FuzzTemplate(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := features.Template(s)
		if again := features.Template(once); again != once {
			t.Errorf("%.99q becomes %.99q, and that %.99q", s, once, again)
		}
		if !utf8.ValidString(once) || strings.ContainsAny(once, "0123456789") {
			t.Errorf("%.99q becomes %.99q", s, once)
		}
	})
}

// FuzzJob takes a job apart: its groups and what it asks for.
func FuzzJob(f *testing.F) {
	for i, s := range texts {
		x := numbers[i%len(numbers)]
		f.Add(s, texts[(i+1)%len(texts)], texts[(i+2)%len(texts)], x, -x, int64(i)*math.MaxInt64/8, int64(x), i-1)
	}
	f.Fuzz(func(t *testing.T, name, command, feature string, cores, x float64, memory, limit int64, pods int) {
		s := predictor.JobSpec{
			Name: name, User: feature, Owner: command, Image: name, Command: command, Pods: pods,
			Requests:     predictor.Resources{CPUCores: cores, Memory: predictor.Bytes(memory), GPUs: x},
			RuntimeLimit: time.Duration(limit), ExpectedRuntime: time.Duration(memory),
			Features: map[string]predictor.Feature{feature: {Number: x}, name: {Text: command}, "y": {Number: cores, Text: name}},
		}
		keys := features.KeysOf(&s)
		if keys != features.KeysOf(&s) {
			t.Error("a job asked twice has other groups")
		}
		if keys[features.NumLevels-1] == 0 {
			t.Error("not in the group of all jobs")
		}
		for level, k := range keys {
			if k != 0 && slices.Contains(keys[level+1:], k) {
				t.Errorf("level %d coincides with a coarser one", level)
			}
			if d := features.Levels[level].Describe(&s); d == "" {
				t.Errorf("level %d has no words", level)
			}
		}
		if own := keys.Own(); len(own) == 0 || slices.ContainsFunc(own, func(level int) bool { return keys[level] == 0 }) {
			t.Errorf("own levels %v of %v", own, keys)
		}
		checkAsk(t, features.AskOf(&s))
	})
}

// checkAsk checks that what a job asks for can be computed with.
func checkAsk(t *testing.T, a features.Ask) {
	t.Helper()
	for target, word := range a.Words {
		if math.Abs(word) > 100 { // NaN is none
			t.Errorf("the logarithm of its word on target %d is %g", target, word)
		}
	}
	if !slices.IsSortedFunc(a.Inputs, func(a, b features.Input) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) }) {
		t.Errorf("inputs out of order: %v", a.Inputs)
	}
	for i, in := range a.Inputs {
		if math.IsNaN(in.Value) || math.Abs(in.Value) > 710 { // the logarithm of what float64 holds
			t.Errorf("input %d is %g", i, in.Value)
		}
		if i > 0 && in.ID == a.Inputs[i-1].ID && in.Kind == a.Inputs[i-1].Kind {
			t.Errorf("input %d is there twice", i)
		}
	}
}

// FuzzState reads arbitrary bytes: they are refused, and change nothing, or make a
// state that can be asked, taught and written.
func FuzzState(f *testing.F) {
	for n := range 4 {
		b, err := filled(uint64(n), 10*n).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	r := record(1)
	keys := features.KeysOf(&r.JobSpec)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := filled(1, 3)
		before, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, predictor.ErrDamaged) {
				t.Errorf("%v is not %v", err, predictor.ErrDamaged)
			}
			if after, err := s.AppendBinary(nil); err != nil || !bytes.Equal(before, after) {
				t.Errorf("what was refused changed the state: %v", err)
			}
			return
		}
		written, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		read := features.NewState()
		if err := read.UnmarshalBinary(written); err != nil {
			t.Fatal(err)
		}
		if again, err := read.AppendBinary(nil); err != nil || !bytes.Equal(written, again) {
			t.Errorf("written again it differs: %v", err)
		}
		for _, at := range []time.Time{{}, start, start.AddDate(100, 0, 0)} {
			checkView(t, s.View(&r.JobSpec, &keys, at))
		}
		s.Observe(&r, &keys, func(run *features.Run) { checkAsk(t, run.Ask()) })
		checkView(t, s.View(&r.JobSpec, &keys, time.Time{}))
	})
}

func checkView(t *testing.T, v features.View) {
	t.Helper()
	for level, runs := range v {
		if len(runs) > features.Window {
			t.Errorf("level %d: %d runs", level, len(runs))
		}
		for _, r := range runs {
			for target, v := range r.Values {
				if !(math.Abs(v.Log) <= 100) || math.Abs(v.Word) > 100 { // NaN as well
					t.Errorf("level %d: run %s took e^%g of target %d", level, r.ID, v.Log, target)
				}
			}
			if r.Runtime < time.Millisecond || r.Runtime > predictor.MaxDuration || r.Memory < 0 || r.Memory > predictor.MaxMemory {
				t.Errorf("level %d: run %s took %v and %v", level, r.ID, r.Runtime, r.Memory)
			}
			for _, in := range r.Inputs {
				if math.IsNaN(in.Value) || math.IsInf(in.Value, 0) {
					t.Errorf("level %d: an input of run %s is %g", level, r.ID, in.Value)
				}
			}
		}
	}
}
