package scheduler

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/runcast/runcast/predictor"
)

var update = flag.Bool("update", false, "rewrite the want tables of testdata/*.txtar")

// TestStories runs the scripts of testdata and compares what each plan says with
// the table "want". One command a line:
//
//	policy KEY=VALUE…            a, ageing, overdue, reservations, firm, large, forecast,
//	                             search, which is 0: a story is of the rules alone
//	nodes NAME… cpu=8 memory=64Gi gpu=4 pods=110
//	class NAME NODE…             the class "all" holds every node
//	running NAME [on=NODE,…] cpu=… [p50=… p90=…|ends=…]    on=- is a pod not bound yet,
//	                             with prefers=NODE,… to go to
//	foreign NAME on=NODE,… cpu=…
//	submit NAME cpu=… [pods=N] [p50=…] [p90=…|runs=…] [mean=…] [tier=N] [ago=…] [class=…] [deadline=…] [after=…]
//	ends NAME                    a running job ends
//	at TIME                      moves the clock: 14:05 or +10s
//	plan                         plans, prints, and starts what the plan starts
//
// The clock starts at 14:00. Amounts are for one pod.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []byte
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = f.Data
				}
			}
			got := tell(t, string(archive.Comment))
			if bytes.Equal(got, want) {
				return
			}
			if !*update {
				t.Fatalf("%s: got\n%s\nwant\n%s", file, got, want)
			}
			archive.Files = []txtar.File{{Name: "want", Data: got}}
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A story is a cluster under a script.
type story struct {
	t      *testing.T
	line   string
	s      Snapshot
	p      Policy
	nodes  map[string]int
	class  map[string]int
	ends   map[string]predictor.Quantiles[time.Duration] // runtimes of what runs, by ID
	out    bytes.Buffer
	plans  int
	tokens map[string]string
}

func tell(t *testing.T, script string) []byte {
	p := DefaultPolicy()
	p.Search = 0
	st := &story{
		t:     t,
		p:     p,
		nodes: map[string]int{},
		class: map[string]int{"all": 0},
		ends:  map[string]predictor.Quantiles[time.Duration]{},
		s: Snapshot{
			Now:       time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC),
			Resources: []string{"cpu", "memory", "nvidia.com/gpu", "pods"},
			Classes:   [][]bool{nil},
		},
	}
	for line := range strings.Lines(script) {
		text, _, _ := strings.Cut(line, "#")
		if fields := strings.Fields(text); len(fields) > 0 {
			st.line = strings.TrimSpace(line)
			st.do(fields[0], fields[1:])
		}
	}
	return st.out.Bytes()
}

func (st *story) do(command string, args []string) {
	var names []string
	st.tokens = map[string]string{}
	for _, a := range args {
		if key, value, ok := strings.Cut(a, "="); ok {
			st.tokens[key] = value
		} else {
			names = append(names, a)
		}
	}
	switch command {
	case "policy":
		st.policy()
	case "nodes":
		capacity := st.vector(110)
		for _, name := range names {
			st.nodes[name] = len(st.s.Nodes)
			st.s.Nodes = append(st.s.Nodes, Node{name, capacity})
			st.s.Classes[0] = append(st.s.Classes[0], true)
		}
	case "class":
		st.class[names[0]] = len(st.s.Classes)
		allowed := make([]bool, len(st.s.Nodes))
		for _, n := range names[1:] {
			allowed[st.node(n)] = true
		}
		st.s.Classes = append(st.s.Classes, allowed)
	case "weights":
		st.s.Weights = map[string]float64{}
		for queue, text := range st.tokens {
			weight, err := strconv.ParseFloat(text, 64)
			st.check(err)
			st.s.Weights[queue] = weight
		}
		clear(st.tokens)
	case "running", "foreign":
		r := Running{ID: names[0], Queue: st.take("queue", ""), Foreign: command == "foreign", Started: st.s.Now}
		for n := range strings.SplitSeq(st.take("on", "n1"), ",") {
			r.Pods = append(r.Pods, st.node(n))
		}
		if prefers := st.take("prefers", ""); prefers != "" {
			for n := range strings.SplitSeq(prefers, ",") {
				r.Preferred = append(r.Preferred, st.node(n))
			}
		}
		r.Class = st.className()
		r.Remaining = st.quantiles()
		r.Request = st.vector(1)
		st.ends[r.ID] = r.Remaining
		st.s.Running = append(st.s.Running, r)
	case "submit":
		st.submit(names[0])
	case "ends":
		st.s.Running = slices.DeleteFunc(st.s.Running, func(r Running) bool { return r.ID == names[0] })
	case "at":
		st.move(names[0])
	case "plan":
		st.plan()
	default:
		st.fail("unknown command")
	}
	for key := range st.tokens {
		st.fail("unknown key " + key)
	}
}

func (st *story) policy() {
	number := func(key string, set func(float64)) {
		if text := st.take(key, ""); text != "" {
			x, err := strconv.ParseFloat(text, 64)
			st.check(err)
			set(x)
		}
	}
	number("a", func(x float64) { st.p.SizeExponent = x })
	number("overdue", func(x float64) { st.p.OverdueAfter = x })
	number("reservations", func(x float64) { st.p.Reservations = int(x) })
	number("large", func(x float64) { st.p.LargeShare = x })
	number("forecast", func(x float64) { st.p.ForecastEffort = int(x) })
	number("search", func(x float64) { st.p.Search = int(x) })
	st.p.FirmWithin = st.duration("firm", st.p.FirmWithin)
	st.p.AgeingTime = st.duration("ageing", st.p.AgeingTime)
	st.check(st.p.Validate())
}

func (st *story) submit(id string) {
	j := Pending{ID: id, Name: id, Submitted: st.s.Now.Add(-st.duration("ago", 0)), Pods: 1}
	var err error
	j.Pods, err = strconv.Atoi(st.take("pods", "1"))
	st.check(err)
	tier, err := strconv.ParseInt(st.take("tier", "0"), 10, 32)
	st.check(err)
	j.Tier = int32(tier)
	j.Queue = st.take("queue", "")
	j.Class = st.className()
	j.Runtime = st.quantiles()
	j.Mean = st.duration("mean", 0)
	if text := st.take("deadline", ""); text != "" {
		j.Deadline = st.clock(text)
	}
	if text := st.take("after", ""); text != "" {
		j.EarliestStart = st.clock(text)
	}
	j.Request = st.vector(1)
	st.s.Pending = append(st.s.Pending, j)
}

func (st *story) plan() {
	if st.plans++; st.plans > 1 {
		fmt.Fprintln(&st.out)
	}
	fmt.Fprintf(&st.out, "at %s\n", st.s.Now.Format("15:04:05"))
	schedule := Plan(st.s, st.p)
	var waiting []Pending
	for _, d := range schedule.Decisions {
		j := st.s.Pending[d.Job]
		var on []string
		for _, n := range d.Nodes {
			on = append(on, st.s.Nodes[n].Name)
		}
		fmt.Fprintf(&st.out, "%-9s %-10s %-11s start %s..%s end %s..%s  %s\n", j.ID, d.Verdict, strings.Join(on, ","),
			short(d.StartP50), short(d.StartP90), short(d.EndP50), short(d.EndP90), d.Reason)
		if !d.Verdict.Starts() {
			j.ReservedStart, j.ReservedNodes = d.ReservedStart, d.Nodes
			waiting = append(waiting, j)
			continue
		}
		st.ends[j.ID] = j.Runtime
		st.s.Running = append(st.s.Running, Running{ID: j.ID, Request: j.Request, Pods: d.Nodes, Started: st.s.Now, Remaining: j.Runtime, Queue: j.Queue})
	}
	for _, d := range schedule.Unserved {
		fmt.Fprintf(&st.out, "unserved: %d pods of %v\n", d.Pods, d.Request)
	}
	st.s.Pending = waiting
}

func (st *story) move(to string) {
	was := st.s.Now
	if strings.HasPrefix(to, "+") {
		d, err := time.ParseDuration(to)
		st.check(err)
		st.s.Now = was.Add(d)
	} else {
		st.s.Now = st.clock(to)
	}
	for i := range st.s.Running {
		r := &st.s.Running[i]
		if !r.Remaining.IsZero() {
			r.Remaining = r.Remaining.Map(func(d time.Duration) time.Duration { return max(d-st.s.Now.Sub(was), time.Second) })
		}
	}
}

func short(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.Format("15:04:05")
}

func (st *story) take(key, otherwise string) string {
	text, ok := st.tokens[key]
	delete(st.tokens, key)
	if !ok {
		return otherwise
	}
	return text
}

func (st *story) duration(key string, otherwise time.Duration) time.Duration {
	text := st.take(key, "")
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	st.check(err)
	return d
}

// quantiles reads runs=, ends= (known exactly) or p50= and p90=.
func (st *story) quantiles() predictor.Quantiles[time.Duration] {
	if d := st.duration("runs", 0) + st.duration("ends", 0); d > 0 {
		return predictor.Exactly(d)
	}
	p50 := st.duration("p50", 0)
	p90 := st.duration("p90", p50)
	return predictor.Quantiles[time.Duration]{P10: p50, P50: p50, P90: p90, P99: p90}
}

func (st *story) clock(text string) time.Time {
	t, err := time.Parse("15:04", text)
	st.check(err)
	y, m, d := st.s.Now.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, time.UTC)
}

func (st *story) vector(pods int64) Vector {
	cpu, err := strconv.ParseFloat(st.take("cpu", "0"), 64)
	st.check(err)
	gi, err := strconv.ParseInt(strings.TrimSuffix(st.take("memory", "0"), "Gi"), 10, 64)
	st.check(err)
	gpu, err := strconv.ParseInt(st.take("gpu", "0"), 10, 64)
	st.check(err)
	return Vector{int64(cpu * 1000), gi * int64(predictor.GiB), gpu, pods}
}

func (st *story) node(name string) int {
	if name == "-" {
		return -1
	}
	n, ok := st.nodes[name]
	if !ok {
		st.fail("unknown node " + name)
	}
	return n
}

func (st *story) className() int {
	c, ok := st.class[st.take("class", "all")]
	if !ok {
		st.fail("unknown class")
	}
	return c
}

func (st *story) check(err error) {
	if err != nil {
		st.fail(err.Error())
	}
}

func (st *story) fail(text string) {
	st.t.Helper()
	st.t.Fatalf("%q: %s", st.line, text)
}
