package features

import (
	"fmt"
	"slices"
	"testing"

	"github.com/runcast/runcast/predictor"
)

func TestNumbersInNames(t *testing.T) {
	for name, want := range map[string]string{
		"resnet50-ep90-x8k2z":       "1=50 2=90",
		"nightly-etl":               "",
		"etl-20261125":              "", // a date
		"train-4bf92f3577":          "", // a hash
		"step-3-of-12":              "1=3 2=12",
		"lr0.01":                    "1=0 2=1", // two words
		"job-6f1d2c3b4a5e-nov":      "",
		"Größe7":                    "1=7",
		"sweep-batch256-seed1-7d9f": "1=256 2=1 3=7 4=9", // too short to be told from a word
	} {
		var got []string
		numbers(name, func(place int, x float64) { got = append(got, fmt.Sprintf("%d=%g", place, x)) })
		if s := fmt.Sprint(got); s != "["+want+"]" {
			t.Errorf("%s: %s, want [%s]", name, s, want)
		}
	}
}

func TestInputsAreInOrder(t *testing.T) {
	s := predictor.JobSpec{
		Name: "train-ep90", Command: "train --epochs 90 --lr=0.1 12",
		Features: map[string]predictor.Feature{"rows": {Number: 1e6}, "set": {Text: "imagenet"}, "epochs": {Number: 90}},
	}
	in := inputsOf(&s)
	if n := 2 + len(Requests) + 3 + 1; len(in) != n {
		t.Fatalf("%d inputs, want %d: %v", len(in), n, in)
	}
	if !slices.IsSortedFunc(in, func(a, b Input) int { return int(a.Kind) - int(b.Kind) }) {
		t.Errorf("not by kind: %v", in)
	}
	ask := AskOf(&s)
	for _, name := range []string{"feature.epochs", "arg.--epochs", "name.1"} {
		if got, want := ask.Input(inputID(name)), 4.51; got < want || got > want+0.01 { // log 91
			t.Errorf("%s is %g, want about %g", name, got, want)
		}
	}
}
