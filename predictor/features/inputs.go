package features

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// An Input is a number known at submission that a runtime may grow with, on a
// logarithmic scale that keeps sign and zero: sign(x) log(1+|x|).
type Input struct {
	ID    InputID
	Kind  InputKind
	Value float64
}

// Inputs are what is known of a job at submission beside the words, by kind and ID.
type Inputs []Input

// Find returns the place of an input, -1 if there is none.
func (in Inputs) Find(id InputID) int {
	for i := range in {
		if in[i].ID == id {
			return i
		}
	}
	return -1
}

// Input returns the value of an input, zero if there is none.
func (in Inputs) Input(id InputID) float64 {
	if i := in.Find(id); i >= 0 {
		return in[i].Value
	}
	return 0
}

// An InputID is a hash of an input's name: "feature.epochs", "arg.--batch-size".
type InputID uint32

// InputKind is where an input comes from.
type InputKind uint8

// Declared inputs are the job's features: the user says that they matter. What it
// requests every job has. The rest is what its command and its name happen to contain.
const (
	Declared InputKind = iota
	Requested
	Found
)

// Requests are the inputs of kind Requested: cores, GPUs, kill limit in seconds,
// memory in bytes, and pods.
var Requests = [...]InputID{inputID("cores"), inputID("gpus"), inputID("limit"), inputID("memory"), inputID("pods")}

func inputID(name string) InputID { return InputID(fnvOffset.text(name)) }

// maxInputs is how many inputs of a job are kept: a regression over a window of runs
// can use no more.
const maxInputs = 24

// inputsOf returns the inputs of a job by kind and ID: what it declares, what it
// requests, and the numbers among the arguments of its command and in its name.
func inputsOf(s *predictor.JobSpec) Inputs {
	in := make([]Input, 0, 8)
	add := func(id InputID, kind InputKind, x float64) {
		if len(in) < maxInputs && !math.IsNaN(x) && !math.IsInf(x, 0) {
			in = append(in, Input{id, kind, math.Copysign(math.Log1p(math.Abs(x)), x)})
		}
	}
	for _, name := range names(s.Features) {
		if f := s.Features[name]; f.Text == "" {
			add(inputID("feature."+name), Declared, f.Number)
		}
	}
	for i, x := range [len(Requests)]float64{s.Requests.CPUCores, s.Requests.GPUs,
		max(s.RuntimeLimit, 0).Seconds(), float64(s.Requests.Memory), float64(s.Gang())} {
		add(Requests[i], Requested, x)
	}
	arguments(s.Command, func(name string, x float64) { add(inputID("arg."+name), Found, x) })
	name := s.Name
	if s.Owner != "" {
		name = s.Owner
	}
	numbers(name, func(place int, x float64) { add(inputID("name."+strconv.Itoa(place)), Found, x) })
	slices.SortStableFunc(in, func(a, b Input) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return slices.CompactFunc(in, func(a, b Input) bool { return a.ID == b.ID && a.Kind == b.Kind })
}

// names returns the names of features in order, with fewer allocations than by iterators.
func names(f map[string]predictor.Feature) []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// arguments finds the numbers in a command: "--n=5", "-n 5", "n=5"; a bare number
// is named after its place.
func arguments(command string, add func(string, float64)) {
	command = command[:min(len(command), maxTemplate)]
	flag, place := "", 0
	for word := range strings.FieldsSeq(command) {
		place++
		name, value, assigned := strings.Cut(word, "=")
		if !assigned {
			name, value = flag, word
		}
		flag = ""
		x, ok := number(value)
		switch {
		case !ok && !assigned && word[0] == '-':
			flag = word
		case !ok:
		case name != "":
			add(name, x)
		default:
			add(strconv.Itoa(place), x)
		}
	}
}

// number reads a number; most words are none, and an error for each would cost.
func number(s string) (x float64, ok bool) {
	if !strings.ContainsAny(s[:min(len(s), 2)], "0123456789.") {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil
}

// longestNumber is the number of digits from which on a number in a name is a date, a
// time or an identifier rather than an amount.
const longestNumber = 6

// numbers finds the numbers in a name, by place: 50 and 90 in "resnet50-ep90-x8k2z".
func numbers(name string, add func(place int, x float64)) {
	place := 0
	for p := piecesOf(name); p.next(); {
		if p.kind == other || p.kind == generated && strings.Trim(p.text, "0123456789") != "" {
			continue
		}
		for rest := p.text; ; {
			from := strings.IndexAny(rest, "0123456789")
			if from < 0 {
				break
			}
			to := from
			for to < len(rest) && isDigit(rest[to]) {
				to++
			}
			place++
			if x, err := strconv.ParseFloat(rest[from:to], 64); err == nil && to-from < longestNumber {
				add(place, x)
			}
			rest = rest[to:]
		}
	}
}
