package features

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
)

// part is one aspect of a job that groups may have in common; a set of them is a mask.
type part uint16

const (
	who      part = 1 << iota // namespace and user
	what                      // RunName, word for word
	kind                      // template of the family, else the owner, else the name
	command                   // template of the command
	image                     // without tag and digest
	version                   // image with tag and digest
	queue                     // queue and namespace
	shape                     // gang size, requests, GPU model, node type, cluster
	limit                     // kill limit and the user's expectation
	inputs                    // declared features
	numParts = iota
)

// A Level is one way to group jobs: those with certain parts in common.
type Level struct {
	Name  string
	parts part
}

// FixesLimit reports whether jobs of the same group have the same limit.
func (l Level) FixesLimit() bool { return l.parts&limit != 0 }

// FixesRequests reports whether jobs of the same group ask for the same resources.
func (l Level) FixesRequests() bool { return l.parts&shape != 0 }

// NumLevels is the number of Levels.
const NumLevels = 16

// OwnLevels is the number of levels, the finest ones, whose groups are of one user's
// jobs of one name or command.
const OwnLevels = levelCommand + 1

// Places in Levels.
const (
	levelName     = 4
	levelTemplate = 5
	LevelNearest  = 6
	levelCommand  = 7
	LevelUser     = 10
	levelQueue    = 14
	levelAll      = NumLevels - 1
)

// Levels are the back-off levels, finest first. Where a job lacks a part, levels
// coincide; KeysOf then keeps the coarsest of them.
var Levels = [NumLevels]Level{
	{"inputs", who | what | command | version | queue | shape | limit | inputs},
	{"configuration", who | what | command | version | queue | shape | limit},
	{"name, shape", who | what | command | shape},
	{"name, limit", who | what | command | limit},
	{"name", who | what},
	{"template", who | kind},
	{"nearest names", 0}, // no group of the job's own: see State.View
	{"command", who | image | command},
	{"user, shape, limit", who | shape | limit},
	{"user, limit", who | limit},
	{"user", who},
	{"name of any user", kind | command},
	{"image", image | shape},
	{"queue, shape, limit", queue | shape | limit},
	{"queue", queue},
	{"all", 0},
}

// Own returns the levels of the job's own runs: those that tell it from others by
// its name or command, else by its user, else by its queue, else that of all jobs.
func (k *Keys) Own() []int {
	var own []int
	for _, level := range [...]int{levelName, levelTemplate, levelCommand} {
		if k[level] != 0 {
			own = append(own, level)
		}
	}
	for _, level := range [...]int{LevelUser, levelQueue, levelAll} {
		if len(own) == 0 && k[level] != 0 {
			own = append(own, level)
		}
	}
	return own
}

// Describe says in words what the runs at a level have in common with s: "user alice, name
// train"; at LevelNearest it names the templates, "the nearest names (train-resnet, train-bert)".
func (v *View) Describe(level int, s *predictor.JobSpec) string {
	if level != LevelNearest {
		return Levels[level].Describe(s)
	}
	var names []string
	for _, r := range slices.Backward(v[level]) {
		if name := clip(Template(r.Name)); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "the nearest names (" + strings.Join(names, ", ") + ")"
}

// Describe says in words what the jobs of a level have in common with s.
func (l Level) Describe(s *predictor.JobSpec) string {
	d := make([]byte, 0, 128)
	has := func(p part) bool { return l.parts&p != 0 }
	add := func(label, value string) {
		if value == "" {
			return
		}
		if len(d) > 0 {
			d = append(d, ", "...)
		}
		d = append(append(append(d, label...), ' '), clip(value)...)
	}
	if has(who | queue) {
		add("namespace", s.Namespace)
	}
	if has(who) {
		add("user", s.User)
	}
	label, value := subject(s)
	if has(what) {
		add(label, RunName(s))
	}
	if has(kind) {
		add(label+" like", Template(value))
	}
	if has(command) {
		add("command like", Template(s.Command))
	}
	if has(version) {
		add("image", s.Image)
	}
	if has(image) {
		add("image", repository(s.Image))
	}
	if has(queue) {
		add("queue", s.Queue)
	}
	if has(shape) {
		add("shape", describeShape(s))
	}
	if has(limit) {
		add("limit", positive(s.RuntimeLimit))
		add("expected runtime", positive(s.ExpectedRuntime))
	}
	if n := len(s.Features); n > 0 && has(inputs) {
		add("equal inputs:", strconv.Itoa(n))
	}
	if len(d) == 0 {
		return "all jobs"
	}
	return string(d)
}

func describeShape(s *predictor.JobSpec) string {
	amount := func(d []byte, x float64) []byte { return strconv.AppendFloat(d, x, 'g', -1, 64) }
	d := strconv.AppendInt(make([]byte, 0, 64), int64(s.Gang()), 10)
	d = append(amount(append(d, " × "...), s.Requests.CPUCores), " cores"...)
	if s.Requests.Memory > 0 {
		d = append(append(d, ' '), s.Requests.Memory.String()...)
	}
	if s.Requests.GPUs > 0 {
		d = append(amount(append(d, ' '), s.Requests.GPUs), " GPUs"...)
	}
	return string(d)
}

func positive(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return d.String()
}

// clip shortens what a person reads.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
