package features

import (
	"testing"

	"github.com/runcast/runcast/predictor"
)

func TestRunName(t *testing.T) {
	for name, want := range map[string]string{
		"sweep-ep5-x7k2p":  "sweep-ep5",
		"sweep-ep10-bcdfg": "sweep-ep10",
		"nightly-29939040": "nightly",
		"train-small":      "train-small", // a word
		"train-24567":      "train-24567", // a number, which may mean something
		"train-100":        "train-100",
		"train-x7k2":       "train-x7k2",
		"train-x7k2p-eval": "train-x7k2p-eval",
		"-x7k2p":           "-x7k2p",
		"x7k2p":            "x7k2p",
		"app7":             "app7",
		"":                 "",
	} {
		if got := RunName(&predictor.JobSpec{Name: name}); got != want {
			t.Errorf("%q is a run of %q, want %q", name, got, want)
		}
	}
	if KeysOf(&predictor.JobSpec{Name: "sweep-ep5-x7k2p"}) != KeysOf(&predictor.JobSpec{Name: "sweep-ep5-bcdfg"}) {
		t.Error("two runs of a job that differ in their suffix only are of different groups")
	}
	s := predictor.JobSpec{Name: "nightly-29939040", Owner: "CronJob/nightly-x7k2p"}
	if got := RunName(&s); got != s.Owner {
		t.Errorf("%+v is a run of %q", s, got)
	}
	if s.Family = "etl"; RunName(&s) != s.Family {
		t.Errorf("%+v is a run of %q", s, RunName(&s))
	}
}
