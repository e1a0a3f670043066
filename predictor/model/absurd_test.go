package model_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// pick returns one of the choices.
func pick[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

// absurd is a history of what nobody should send: amounts that are not numbers, below
// zero or beyond all bounds, texts of 10 kB and of no encoding, clocks that disagree,
// records out of order and twice.
func absurd(random *rand.Rand, n int) []predictor.JobRecord {
	number := func() float64 {
		return pick(random, 0, 1, 2.5, 64, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324, random.NormFloat64(), math.Exp(9*random.NormFloat64()))
	}
	amount := func() int64 {
		return pick(random, 0, 1, -1, math.MaxInt64, math.MinInt64, random.Int64(), int64(math.Exp(30+9*random.NormFloat64())))
	}
	text := func() string {
		return pick(random, "", "etl", "train-ep90-x8k2z", "\xff\xfe", strings.Repeat("x-1 ", 2500), strings.Repeat("\xff", 10_000), "run --n=1e300 --m NaN -k -7")
	}
	moment := func() time.Time {
		return pick(random, time.Time{}, start, start.Add(time.Duration(random.IntN(1e6))*time.Second), start.Add(time.Duration(-random.IntN(1e6))*time.Second),
			start.AddDate(1e6, 0, 0), start.AddDate(-1e6, 0, 0), time.Unix(0, 0), time.Unix(math.MaxInt64/2, 0))
	}
	records := make([]predictor.JobRecord, n)
	for i := range records {
		r := predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprint(random.IntN(n)), Submitted: moment(), Cluster: text(), Namespace: text(), User: pick(random, "ann", "bob", text()), Queue: text(),
				Name: pick(random, "etl", "sim", text()), Owner: pick(random, "", "", text()), Family: pick(random, "", "", text()),
				Image: text(), Command: text(), Priority: int32(amount()), Pods: int(amount()),
				Requests: predictor.Resources{CPUCores: number(), Memory: predictor.Bytes(amount()), GPUs: number()},
				GPUModel: text(), NodeType: text(), RuntimeLimit: time.Duration(amount()), ExpectedRuntime: time.Duration(amount()),
			},
			Started: moment(), Finished: moment(), Attempts: int(amount()), OOMKills: random.IntN(3) - 1,
			Outcome: pick(random, predictor.Succeeded, predictor.Succeeded, predictor.Succeeded, predictor.Failed, predictor.OOMKilled, predictor.DeadlineExceeded, predictor.Evicted, predictor.Cancelled, "", "exploded"),
			Usage: predictor.Usage{PeakMemory: predictor.Bytes(amount()), PeakCPUCores: number(), CPUSeconds: pick(random, nil, new(number())),
				PeakGPUMemory: predictor.Bytes(amount()), GPUUtilization: pick(random, nil, new(number()))},
		}
		if random.IntN(2) == 0 { // else it hardly ever starts before it finishes
			r.Started = r.Submitted
			r.Finished = r.Started.Add(time.Duration(math.Exp(8*random.NormFloat64()) * float64(time.Second)))
		}
		if random.IntN(2) == 0 {
			r.Features = map[string]predictor.Feature{"size": {Number: number()}, text(): {Text: text()}, "steps": {Number: float64(amount())}}
		}
		records[i] = r
	}
	return records
}

// check checks what holds of every estimate, whatever was asked.
func check(t *testing.T, what string, e *predictor.Estimate) {
	t.Helper()
	if !e.Runtime.Valid() || !e.PeakMemory.Valid() || !e.PeakCPU.Valid() || !e.PeakGPUMemory.Valid() || !e.GPUUtilization.Valid() || e.GPUUtilization.P99 > 1000 {
		t.Errorf("%s: %+v", what, e)
	}
	if e.Runtime.IsZero() || e.MeanRuntime < 0 || e.MemoryRequest < 0 || e.Samples < 0 || e.Source == "" {
		t.Errorf("%s: %+v", what, e)
	}
}

// ask asks everything about a job that has run for some time.
func ask(t *testing.T, what string, m *model.Model, s *predictor.JobSpec, elapsed time.Duration) {
	t.Helper()
	e := m.Estimate(s)
	check(t, what, &e)
	if again := m.Estimate(s); again != e {
		t.Errorf("%s: %+v, asked again %+v", what, e, again)
	}
	for _, progress := range []float64{0, math.SmallestNonzeroFloat64, 0.3, 1} {
		if left := m.Remaining(s, elapsed, progress); !left.Valid() {
			t.Errorf("%s: after %v, with %g done, remain %v", what, elapsed, progress, left)
		}
	}
	x := m.Explain(s)
	if x.Estimate != e {
		t.Errorf("%s: explained is %+v, not %+v", what, x.Estimate, e)
	}
	used := 0
	for _, g := range x.Groups {
		if g.Used {
			used++
		}
		if g.Samples < 0 || g.Median < 0 || g.Level == "" || g.Key == "" {
			t.Errorf("%s: %+v", what, g)
		}
	}
	if used > 1 || used == 0 && e.Samples > 0 {
		t.Errorf("%s: %d of %d groups are used, with %d samples", what, used, len(x.Groups), e.Samples)
	}
	if len(x.Past) > 20 || len(x.Text) == 0 {
		t.Errorf("%s: %d past runs, %d sentences", what, len(x.Past), len(x.Text))
	}
	for i, p := range x.Past {
		if p.Runtime < 0 || p.PeakMemory < 0 {
			t.Errorf("%s: past run %d is %+v", what, i, p)
		}
	}
	for _, line := range x.Text {
		if utf8.ValidString(s.Name+s.Owner+s.Family+s.User+s.Queue+s.Namespace+s.Image+s.Command) && !utf8.ValidString(line) {
			t.Errorf("%s: says %q", what, line)
		}
	}
}

func encode(t testing.TB, m *model.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(t testing.TB, artifact []byte) *model.Model {
	t.Helper()
	m, err := model.Decode(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func learned(records []predictor.JobRecord) *model.Model {
	m := model.New(1)
	for _, r := range records {
		m.Observe(r)
	}
	return m
}

// elapsed are times that a job may have run, and may not.
func elapsed(random *rand.Rand) time.Duration {
	return pick(random, 0, -1, 1, time.Minute, time.Hour, math.MaxInt64, math.MinInt64, time.Duration(math.Exp(30+5*random.NormFloat64())))
}

// A model that learns from an absurd history, and is asked about absurd jobs on the way,
// always answers, and the same after it was written and read.
func TestAbsurdHistory(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		const n = 1200
		records := absurd(random, n)
		m := model.New(seed)
		for i, r := range records {
			what := fmt.Sprintf("seed %d, record %d", seed, i)
			e := m.Estimate(&r.JobSpec)
			check(t, what, &e)
			m.Observe(r)
			if i%20 == 0 {
				ask(t, what, m, &records[random.IntN(n)].JobSpec, elapsed(random))
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		artifact := encode(t, m)
		read := decode(t, artifact)
		if !bytes.Equal(encode(t, read), artifact) {
			t.Errorf("seed %d: the model that was read is written differently", seed)
		}
		for i := range 50 {
			r := pick(random, records...)
			if was, is := m.Estimate(&r.JobSpec), read.Estimate(&r.JobSpec); was != is {
				t.Fatalf("seed %d, job %d: %+v, and %+v when read again", seed, i, was, is)
			}
		}
		for i, r := range absurd(random, 50) { // it learns on
			read.Observe(r)
			ask(t, fmt.Sprintf("seed %d, read, job %d", seed, i), read, &r.JobSpec, elapsed(random))
		}
	}
}

// Inputs far beyond all that a regression has seen.
func TestAbsurdInput(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 1))
	job := func(i int, size float64) predictor.JobRecord {
		at := start.Add(time.Duration(i) * time.Hour)
		return predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprint(i), Submitted: at, User: "ann", Name: "train",
				Features: map[string]predictor.Feature{"size": {Number: size}}, Requests: predictor.Resources{Memory: predictor.GiB},
			},
			Started: at, Finished: at.Add(time.Duration(size * size * size * (0.95 + 0.1*random.Float64()) * float64(time.Second))),
			Usage: predictor.Usage{PeakMemory: predictor.Bytes(size * size * 1e6)},
		}
	}
	m := model.New(1)
	for i := range 200 {
		m.Observe(job(i, 1+9*random.Float64()))
	}
	for _, size := range []float64{2, 5, 9} {
		r := job(1000, size)
		e := m.Estimate(&r.JobSpec)
		if want := size * size * size; e.Runtime.P50.Seconds() < want/2 || e.Runtime.P50.Seconds() > want*2 {
			t.Errorf("size %g: %v, want about %g s", size, e.Runtime, want)
		}
	}
	for _, size := range []float64{0, -1, -1e300, 5e-324, 1e6, 1e20, 1e100, 1e300, math.MaxFloat64, math.Inf(1), math.NaN()} {
		s := job(1000, 1).JobSpec
		s.Features["size"] = predictor.Feature{Number: size}
		ask(t, fmt.Sprint("size ", size), m, &s, time.Minute)
	}
	for _, size := range []predictor.Feature{{Text: "large"}, {Text: "5"}, {Text: strings.Repeat("\xff", 10_000)}} {
		s := job(1000, 1).JobSpec
		s.Features["size"] = size
		ask(t, fmt.Sprintf("size %.9q", size.Text), m, &s, time.Minute)
		r := job(2000, 1)
		r.Features["size"] = size
		m.Observe(r)
		ask(t, fmt.Sprintf("size %.9q, after one such", size.Text), m, &s, time.Minute)
	}
}
