package features

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// An Input is a number known at submission that a runtime may grow with, on a
// logarithmic scale that keeps sign and zero: sign(x) log(1+|x|).
type Input struct {
	Name  string // "feature.epochs", "arg.--batch-size", "pods"
	Value float64
	// Declared is set if the user says that it matters: a feature. The rest is what
	// the command and the requests happen to contain.
	Declared bool
	// Slot is below InputSlots and the same for the same name; two names may share
	// one. It is -1 for what every job has.
	Slot int8
}

// InputSlots is the number of slots that inputs are spread over.
const InputSlots = 16

// maxInputs is how many inputs of a job are kept: a regression over a window of runs
// can use no more.
const maxInputs = 24

// inputsOf returns the numeric inputs of a job by name: what it declares, what it
// asks for, and the numbers among the arguments of its command.
func inputsOf(s *predictor.JobSpec) []Input {
	in := make([]Input, 0, 8)
	add := func(name string, x float64, declared bool) {
		if len(in) < maxInputs && !math.IsNaN(x) && !math.IsInf(x, 0) {
			in = append(in, Input{name, math.Copysign(math.Log1p(math.Abs(x)), x), declared, slotOf(name)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Features)) {
		if f := s.Features[name]; f.Text == "" {
			add("feature."+name, f.Number, true)
		}
	}
	add("cores", s.Requests.CPUCores, false)
	add("gpus", s.Requests.GPUs, false)
	add("limit", max(s.RuntimeLimit, 0).Seconds(), false)
	add("memory", float64(s.Requests.Memory), false)
	add("pods", float64(s.Gang()), false)
	arguments(s.Command, func(name string, x float64) { add(name, x, false) })
	slices.SortStableFunc(in, func(a, b Input) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(in, func(a, b Input) bool { return a.Name == b.Name })
}

// slotOf returns the slot of an input. The names of what the user chose have a dot.
func slotOf(name string) int8 {
	if strings.IndexByte(name, '.') < 0 {
		return -1
	}
	return int8(fnvOffset.text(name) % InputSlots)
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
		x, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil && !assigned && word[0] == '-':
			flag = word
		case err != nil:
		case name != "":
			add("arg."+name, x)
		default:
			add("arg."+strconv.Itoa(place), x)
		}
	}
}
