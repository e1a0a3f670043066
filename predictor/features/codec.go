package features

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
)

// AppendBinary appends the state to b; equal states give equal bytes:
//
//	runs observed
//	texts: those that runs mention, in the order in which they first do
//	runs:  those that groups remember, in order of observation; texts by number,
//	       times and amounts as varints
//	groups: by key; their runs by number, and their templates
func (s *State) AppendBinary(b []byte) ([]byte, error) {
	var runs []*Run
	seen := map[*Run]uint64{}
	keys := slices.Sorted(maps.Keys(s.groups))
	for _, k := range keys {
		for _, r := range s.groups[k].Runs {
			if _, ok := seen[r]; !ok {
				seen[r] = 0
				runs = append(runs, r)
			}
		}
	}
	slices.SortFunc(runs, func(a, b *Run) int { return cmp.Compare(a.Sequence, b.Sequence) })
	w := writer{numbers: map[string]uint64{}}
	for i, r := range runs {
		seen[r] = uint64(i)
		w.run(r)
	}
	body := w.b

	w.b = binary.AppendUvarint(b, s.runs)
	w.uint(uint64(len(w.texts)))
	for _, t := range w.texts {
		w.uint(uint64(len(t)))
		w.b = append(w.b, t...)
	}
	w.uint(uint64(len(runs)))
	w.b = append(w.b, body...)
	w.uint(uint64(len(keys)))
	for _, k := range keys {
		g := s.groups[k]
		w.b = binary.LittleEndian.AppendUint64(w.b, uint64(k))
		w.uint(uint64(g.Count))
		w.uint(g.last)
		w.uint(uint64(len(g.Runs)))
		for _, r := range g.Runs {
			w.uint(seen[r])
		}
		w.uint(uint64(len(g.templates)))
		for _, t := range g.templates {
			w.template(t)
		}
	}
	return w.b, nil
}

// UnmarshalBinary replaces the state by the one that AppendBinary wrote. Anything
// else is ErrDamaged; the state is then unchanged.
func (s *State) UnmarshalBinary(b []byte) error {
	d := reader{b: b}
	state := State{groups: map[Key]*Group{}, runs: d.uint()}
	for range d.count(1) {
		d.texts = append(d.texts, string(d.bytes(d.count(1))))
	}
	var runs []*Run
	var ids []uint32
	for range d.count(8) {
		r := d.run()
		state.learnOf(r)
		runs, ids = append(runs, r), append(ids, hashID(r.ID))
	}
	for range d.count(12) {
		k := Key(binary.LittleEndian.Uint64(d.bytes(8)))
		g := &Group{Count: int(d.uint()), last: d.uint()}
		n := d.count(1)
		if n == 0 || n > memory || g.Count < n || state.groups[k] != nil {
			d.fail("group %x: bad number of runs", k)
			break
		}
		g.Runs, g.ids = make([]*Run, 0, n), make([]uint32, 0, n)
		for range n {
			i := d.uint()
			if i >= uint64(len(runs)) {
				d.fail("group %x: no run %d", k, i)
				break
			}
			g.add(runs[i], ids[i])
		}
		if n = d.count(templateSize); n > mostTemplates {
			d.fail("group %x: %d templates", k, n)
			break
		}
		for range n {
			g.templates = append(g.templates, d.template())
		}
		state.groups[k] = g
	}
	if len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	if d.err != nil {
		return d.err
	}
	*s = state
	return nil
}

// writer appends to b and numbers the texts it meets.
type writer struct {
	b       []byte
	texts   []string
	numbers map[string]uint64
}

func (w *writer) uint(x uint64) { w.b = binary.AppendUvarint(w.b, x) }
func (w *writer) int(x int64)   { w.b = binary.AppendVarint(w.b, x) }

func (w *writer) text(s string) {
	n, ok := w.numbers[s]
	if !ok {
		n = uint64(len(w.texts))
		w.texts, w.numbers[s] = append(w.texts, s), n
	}
	w.uint(n)
}

func (w *writer) time(t time.Time) {
	w.int(t.Unix())
	w.uint(uint64(t.Nanosecond()))
}

func (w *writer) run(r *Run) {
	w.uint(r.Sequence)
	w.text(r.ID)
	w.text(r.Name)
	w.text(string(r.Outcome))
	w.time(r.Submitted)
	w.time(r.Finished)
	w.int(int64(r.Runtime))
	w.int(int64(r.Memory))
	w.int(int64(r.CPU))
	w.int(int64(r.GPUMemory))
	w.int(int64(r.GPUUtilization))
	flags := flag(r.RuntimeCensored) | flag(r.MemoryCensored)<<1
	for t, v := range r.Values {
		flags |= flag(!math.IsNaN(v.Word)) << (2 + t)
	}
	w.uint(flags)
	for _, v := range r.Values {
		if !math.IsNaN(v.Word) {
			w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(v.Word))
		}
	}
	w.uint(uint64(len(r.Inputs)))
	for _, in := range r.Inputs {
		w.b = binary.LittleEndian.AppendUint32(w.b, uint32(in.ID))
		w.b = append(w.b, byte(in.Kind))
		w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(in.Value))
	}
}

// templateSize is what a template takes, in bytes.
const templateSize = 8 * (1 + len(sketch{}))

func (w *writer) template(t template) {
	w.b = binary.LittleEndian.AppendUint64(w.b, uint64(t.key))
	for _, bits := range t.sketch {
		w.b = binary.LittleEndian.AppendUint64(w.b, bits)
	}
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// reader takes from b. After the first error it yields zeros and takes nothing.
type reader struct {
	b     []byte
	texts []string
	err   error
}

func (d *reader) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("history: %s: %w", fmt.Sprintf(format, args...), predictor.ErrDamaged)
	}
	d.b = nil
}

func (d *reader) uint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *reader) int() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return x
}

// count reads how many elements of at least size bytes follow.
func (d *reader) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail("%d elements do not fit", n)
		return 0
	}
	return int(n)
}

// bytes takes n bytes; zeros if there are fewer.
func (d *reader) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail("too short")
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *reader) text() string {
	i := d.uint()
	if i >= uint64(len(d.texts)) {
		d.fail("no text %d", i)
		return ""
	}
	return d.texts[i]
}

func (d *reader) time() time.Time {
	seconds, nanos := d.int(), d.uint()
	return time.Unix(seconds, int64(nanos%1e9)).UTC()
}

func (d *reader) template() (t template) {
	t.key = Key(binary.LittleEndian.Uint64(d.bytes(8)))
	for i := range t.sketch {
		t.sketch[i] = binary.LittleEndian.Uint64(d.bytes(8))
	}
	return t
}

// mostWord bounds the logarithm of a word: none is as large, or small.
const mostWord = 100

func (d *reader) run() *Run {
	r := &Run{
		Sequence: d.uint(),
		ID:       d.text(), Name: d.text(), Outcome: predictor.Outcome(d.text()),
		Submitted: d.time(), Finished: d.time(),
		measure: measure{
			Runtime: time.Duration(d.int()), Memory: predictor.Bytes(d.int()), CPU: predictor.Milli(d.int()),
			GPUMemory: predictor.Bytes(d.int()), GPUUtilization: predictor.Milli(d.int()),
		},
	}
	if !r.measure.valid() {
		d.fail("run %s: an amount is out of range", r.ID)
	}
	flags := d.uint()
	r.RuntimeCensored, r.MemoryCensored = flags&1 != 0, flags&2 != 0
	var words [NumTargets]float64
	for t := range words {
		words[t] = noWord
		if flags>>(2+t)&1 == 1 {
			words[t] = math.Float64frombits(binary.LittleEndian.Uint64(d.bytes(8)))
			if !(math.Abs(words[t]) <= mostWord) { // NaN as well
				d.fail("run %s: a word is out of range", r.ID)
			}
		}
	}
	r.Inputs = make([]Input, d.count(4+1+8))
	for i := range r.Inputs {
		b := d.bytes(4 + 1 + 8)
		x := math.Float64frombits(binary.LittleEndian.Uint64(b[5:]))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			d.fail("run %s: an input is not a number", r.ID)
		}
		r.Inputs[i] = Input{InputID(binary.LittleEndian.Uint32(b)), InputKind(b[4]), x}
	}
	r.values(words)
	return r
}
