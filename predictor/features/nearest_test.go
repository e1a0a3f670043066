package features_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// relatives returns the names of the runs that a job sees at LevelNearest, each once.
func relatives(s *features.State, job predictor.JobSpec, at time.Time) []string {
	keys := features.KeysOf(&job)
	view := s.View(&job, &keys, at)
	var names []string
	for _, r := range view[features.LevelNearest] {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ran is a run of a user's job, the i-th of the history.
func ran(i int, user, name string) predictor.JobRecord {
	r := record(i)
	r.User, r.Name, r.Features = user, name, nil
	return r
}

func TestNearest(t *testing.T) {
	s := features.NewState()
	for i, name := range []string{
		"train-resnet-large", "train-resnet-small", "eu-nightly-ledger", "EvaluateWhisperTiny",
		"orders", "orders-0001", "vote", "CronJob/backup-mail",
	} {
		observe(s, ran(i, "ann", name))
	}
	observe(s, ran(9, "bob", "renderScene"))
	for _, tt := range []struct {
		user, name string
		want       string
	}{
		{"ann", "train-resnet-huge", "train-resnet-large train-resnet-small"},
		{"ann", "us-nightly-ledger", "eu-nightly-ledger"},
		{"ann", "ledger", "eu-nightly-ledger"},
		{"ann", "EvaluateWhisperLarge", "EvaluateWhisperTiny"},
		{"ann", "reorders", "orders"},
		{"ann", "quux", ""},
		{"ann", "", ""},
		{"ann", "orders", ""},                                     // is known
		{"ann", "train-resnet-LARGE-7f9c2", "train-resnet-large"}, // another template
		{"ann", "CronJob/vote-counts", "vote"},                    // not all that a CronJob owns
		{"ann", "renderScenes", ""},
		{"bob", "renderScenes", "renderScene"},
		{"bob", "train-resnet-huge", ""},
		{"eve", "renderScenes", ""},
		{"ann", strings.Repeat("\xff\x00train-resnet", 1000), "train-resnet-large train-resnet-small"},
	} {
		if got := strings.Join(relatives(s, ran(0, tt.user, tt.name).JobSpec, time.Time{}), " "); got != tt.want {
			t.Errorf("%s's %.30q is like %q, want %q", tt.user, tt.name, got, tt.want)
		}
	}
}

// Where names tell nothing apart, image and command do.
func TestNearestByCommand(t *testing.T) {
	s := features.NewState()
	for i, model := range []string{"resnet", "bert"} {
		r := ran(i, "ann", "run-"+model[:1])
		r.Image, r.Command = "registry.local/ml/trainer:7", "python main.py --model "+model
		observe(s, r)
	}
	job := ran(0, "ann", "run-x").JobSpec
	job.Image, job.Command = "registry.local/ml/trainer:8", "python main.py --epochs 9 --model bert --data /in"
	if got := relatives(s, job, time.Time{}); !slices.Contains(got, "run-b") {
		t.Errorf("run-x is like %q, want run-b among them", got)
	}
}

// A job sees what its relatives had finished at its submission: nothing else, and nothing
// at all once a run of its own had.
func TestNearestIsCausal(t *testing.T) {
	s := features.NewState()
	observe(s, ran(10, "ann", "train-resnet-large"))
	observe(s, ran(20, "ann", "train-resnet-small"))
	observe(s, ran(30, "ann", "train-resnet-huge"))
	job := ran(0, "ann", "train-resnet-huge").JobSpec
	for minute, want := range map[int]string{5: "", 15: "train-resnet-large", 25: "train-resnet-large train-resnet-small", 35: ""} {
		if got := strings.Join(relatives(s, job, start.Add(time.Duration(minute)*time.Minute)), " "); got != want {
			t.Errorf("after %d minutes it was like %q, want %q", minute, got, want)
		}
	}
}

// However many templates a user has, few are remembered: those that still run.
func TestNearestIsBounded(t *testing.T) {
	s := features.NewState()
	observe(s, ran(0, "ann", "ledger-2025"))
	for i := range 300 {
		digits := fmt.Sprintf("%03d", i)
		letters := strings.Map(func(digit rune) rune { return digit - '0' + 'a' }, digits) // each a template of its own
		observe(s, ran(2*i+1, "ann", "sweep-"+letters))
		observe(s, ran(2*i+2, "ann", "train-resnet-large"))
	}
	for name, want := range map[string]string{"ledger-fix": "", "train-resnet-small": "train-resnet-large"} {
		if got := strings.Join(relatives(s, ran(0, "ann", name).JobSpec, time.Time{}), " "); got != want {
			t.Errorf("%s is like %q, want %q", name, got, want)
		}
	}
}

// A state that has been written and read finds the same relatives.
func TestNearestIsKept(t *testing.T) {
	s := features.NewState()
	for i := range 100 {
		observe(s, ran(i, "ann", fmt.Sprint("etl-", strings.Repeat("abcdefghij"[i%10:i%10+1], 3+i/10))))
	}
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	read := features.NewState()
	if err := read.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if again, err := read.AppendBinary(nil); err != nil || !bytes.Equal(b, again) {
		t.Errorf("written again it differs: %v", err)
	}
	job := ran(0, "ann", "etl-cccddd").JobSpec
	if got, want := relatives(read, job, time.Time{}), relatives(s, job, time.Time{}); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("etl-cccddd is like %q, before it was %q", got, want)
	}
}
