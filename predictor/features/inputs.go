package features

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// An Input is a number known at submission that the runtime may grow with, on a
// logarithmic scale that keeps sign and zero: sign(x) log(1+|x|).
type Input struct {
	Name  string // "feature.epochs", "arg.--batch-size", "pods"
	Value float64
}

// maxInputs is how many inputs of a job are kept; a regression over a window of
// runs can use no more.
const maxInputs = 24

// InputsOf returns the numeric inputs of a job, by name, at most 24: what it
// declares, the numbers among the arguments of its command, and what it asks for.
func InputsOf(s *predictor.JobSpec) []Input {
	in := make([]Input, 0, 8)
	add := func(name string, x float64) {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			in = append(in, Input{name, math.Copysign(math.Log1p(math.Abs(x)), x)})
		}
	}
	for name, f := range s.Features {
		if f.Text == "" {
			add("feature."+name, f.Number)
		}
	}
	slices.SortFunc(in, byName)
	add("cores", s.Requests.CPUCores)
	add("gpus", s.Requests.GPUs)
	add("limit", Bound(s).Seconds())
	add("memory", float64(s.Requests.Memory))
	add("pods", float64(s.Gang()))
	arguments(s.Command, add)
	in = in[:min(len(in), maxInputs)] // declared ones first: someone thought they matter
	slices.SortStableFunc(in, byName)
	return slices.CompactFunc(in, func(a, b Input) bool { return a.Name == b.Name })
}

func byName(a, b Input) int { return cmp.Compare(a.Name, b.Name) }

// arguments finds the numbers in a command: "--n=5", "-n 5", "n=5"; a bare number
// is named after its place.
func arguments(command string, add func(string, float64)) {
	command = command[:min(len(command), maxTemplate)]
	flag, place := "", 0
	for word := range strings.FieldsSeq(command) {
		place++
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			name, value = flag, word
		}
		flag = ""
		x, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			if strings.HasPrefix(word, "-") && !ok {
				flag = word
			}
		case name != "":
			add("arg."+name, x)
		default:
			add("arg."+strconv.Itoa(place), x)
		}
	}
}
