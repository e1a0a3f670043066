package model_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
)

// headerSize is what an artifact has before its content: magic, schema, size, checksum.
const headerSize = 8 + 4 + 8 + sha256.Size

// artifactOf wraps content as if it had been meant: its size and checksum are right.
func artifactOf(content []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RUNCASTM"), model.Schema)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(content)))
	sum := sha256.Sum256(content)
	return slices.Concat(b, sum[:], content)
}

func TestDecodeRefuses(t *testing.T) {
	whole := encode(t, learned(plain(rand.New(rand.NewPCG(1, 9)), 50)))
	if !bytes.Equal(artifactOf(whole[headerSize:]), whole) {
		t.Fatal("the header is not as expected")
	}
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(whole)
		b[at] = to
		return b
	}
	for _, tt := range []struct {
		name     string
		artifact []byte
		want     error
		says     string
	}{
		{"nothing", nil, predictor.ErrDamaged, "header"},
		{"half a header", whole[:headerSize/2], predictor.ErrDamaged, "header"},
		{"another file", []byte(strings.Repeat("apiVersion: v1\n", 10)), predictor.ErrDamaged, "not a model"},
		{"a newer schema", changed(8, model.Schema+1), predictor.ErrNewerSchema, "schema"},
		{"an older schema", changed(8, model.Schema-1), predictor.ErrOlderSchema, "train again"},
		{"an absurd size", changed(19, 0x7f), predictor.ErrDamaged, "bytes"},
		{"a byte less", whole[:len(whole)-1], predictor.ErrDamaged, "checksum"},
		{"a byte more", append(bytes.Clone(whole), 0), predictor.ErrDamaged, "checksum"},
		{"another checksum", changed(headerSize-1, whole[headerSize-1]^1), predictor.ErrDamaged, "checksum"},
		{"another content", changed(headerSize, whole[headerSize]^1), predictor.ErrDamaged, "checksum"},
		{"no content", artifactOf(nil), predictor.ErrDamaged, "artifact"},
		{"half a content", artifactOf(whole[headerSize : headerSize+(len(whole)-headerSize)/2]), predictor.ErrDamaged, "artifact"},
		{"more content", artifactOf(append(bytes.Clone(whole[headerSize:]), 0)), predictor.ErrDamaged, "artifact"},
	} {
		if _, err := model.Decode(bytes.NewReader(tt.artifact)); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %v and %q", tt.name, err, tt.want, tt.says)
		}
	}
}

// usable checks that a model can be asked, written, and taught.
func usable(t *testing.T, m *model.Model) {
	t.Helper()
	random := rand.New(rand.NewPCG(2, 9))
	for _, r := range plain(random, 5) {
		ask(t, "decoded", m, &r.JobSpec, time.Minute)
		m.Observe(r)
		ask(t, "decoded and taught", m, &r.JobSpec, time.Hour)
	}
	written := encode(t, m)
	if !bytes.Equal(encode(t, decode(t, written)), written) {
		t.Error("what was written is written differently when read")
	}
}

// Content of which a few bytes have changed, with a checksum that says they have not, is
// refused or makes a model that answers.
func TestDecodeChanged(t *testing.T) {
	content := encode(t, learned(plain(rand.New(rand.NewPCG(3, 9)), 1100)))[headerSize:]
	random := rand.New(rand.NewPCG(4, 9))
	read := 0
	for range 100 {
		changed := bytes.Clone(content)
		for range 1 + random.IntN(4) {
			at := random.IntN(len(changed))
			changed[at] = pick(random, 0, 0xff, 0x7f, 0x80, byte(random.IntN(256)))
		}
		m, err := model.Decode(bytes.NewReader(artifactOf(changed)))
		if err != nil {
			if !errors.Is(err, predictor.ErrDamaged) {
				t.Errorf("%v is not %v", err, predictor.ErrDamaged)
			}
			continue
		}
		read++
		usable(t, m)
		if t.Failed() {
			t.FailNow()
		}
	}
	if read == 0 {
		t.Error("no change was harmless: nothing was tested")
	}
}

// FuzzDecode reads arbitrary content under a header that vouches for it.
func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 20} {
		content := encode(f, learned(plain(rand.New(rand.NewPCG(5, 9)), n)))[headerSize:]
		f.Add(content)
		f.Add(content[:len(content)/2])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := model.Decode(bytes.NewReader(artifactOf(content)))
		if err == nil {
			usable(t, m)
		} else if !errors.Is(err, predictor.ErrDamaged) {
			t.Errorf("%v is not %v", err, predictor.ErrDamaged)
		}
	})
}

// FuzzEstimate asks a model with regressions and trees about arbitrary jobs, and teaches
// it one.
func FuzzEstimate(f *testing.F) {
	random := rand.New(rand.NewPCG(6, 9))
	records := plain(random, 1100)
	for i := range records {
		size := 1 + 9*random.Float64()
		records[i].Features = map[string]predictor.Feature{"size": {Number: size}}
		if r := &records[i]; r.RuntimeLimit == 0 {
			r.Finished = r.Started.Add(time.Duration(float64(r.Runtime()) * size * size))
		}
	}
	slices.SortStableFunc(records, func(a, b predictor.JobRecord) int { return a.Finished.Compare(b.Finished) })
	artifact := encode(f, learned(records))
	f.Add("job-1", "user0", "", 2.0, 1.0, int64(predictor.GiB), int64(time.Hour), int64(0), 1, int64(time.Minute))
	f.Add("job-1", "user0", "--n=NaN -k 1e300", math.MaxFloat64, -1.0, int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), -1, int64(math.MaxInt64))
	f.Add(strings.Repeat("x-1 ", 2500), "\xff", "\xfe", math.Inf(-1), math.NaN(), int64(-1), int64(-1), int64(math.MinInt64), math.MaxInt, int64(-1))
	f.Fuzz(func(t *testing.T, name, user, command string, size, cores float64, memory, limit, submitted int64, pods int, ran int64) {
		m := decode(t, artifact)
		r := predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: "new", Name: name, User: user, Command: command, Pods: pods, Submitted: start.Add(time.Duration(submitted)),
				Requests: predictor.Resources{CPUCores: cores, Memory: predictor.Bytes(memory)}, RuntimeLimit: time.Duration(limit),
				Features: map[string]predictor.Feature{"size": {Number: size}},
			},
			Started: start.Add(time.Duration(submitted)), Usage: predictor.Usage{PeakMemory: predictor.Bytes(memory)},
		}
		r.Finished = r.Started.Add(time.Duration(ran))
		ask(t, "before", m, &r.JobSpec, time.Duration(ran))
		m.Observe(r)
		ask(t, "after", m, &r.JobSpec, time.Duration(ran))
	})
}
