package model

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/boost"
	"github.com/runcast/runcast/predictor/features"
)

// A codec goes over the fields of a model, in one order for both directions: it
// appends each to b, or takes it from b. Numbers are little-endian. After the first
// error it takes zeros.
type codec struct {
	b      []byte
	taking bool
	err    error
}

func (c *codec) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), predictor.ErrDamaged)
	}
	c.b = nil
}

func (c *codec) uint(x *uint64) {
	if !c.taking {
		c.b = binary.LittleEndian.AppendUint64(c.b, *x)
		return
	}
	*x = 0
	if len(c.b) < 8 {
		c.fail("too short")
		return
	}
	*x, c.b = binary.LittleEndian.Uint64(c.b), c.b[8:]
}

// int is a count, or a number of runs.
func (c *codec) int(x *int) {
	u := uint64(*x)
	c.uint(&u)
	if *x = int(u); *x < 0 {
		c.fail("%d is negative", *x)
		*x = 0
	}
}

// float is a number within bounds.
func (c *codec) float(x *float64, least, most float64) {
	u := math.Float64bits(*x)
	c.uint(&u)
	*x = math.Float64frombits(u)
	if c.taking && c.err == nil && !(*x >= least && *x <= most) { // NaN as well
		c.fail("%g is not from %g to %g", *x, least, most)
	}
}

func (c *codec) float32(x *float32, least, most float32) {
	if !c.taking {
		c.b = binary.LittleEndian.AppendUint32(c.b, math.Float32bits(*x))
		return
	}
	*x = 0
	if len(c.b) < 4 {
		c.fail("too short")
		return
	}
	*x, c.b = math.Float32frombits(binary.LittleEndian.Uint32(c.b)), c.b[4:]
	if !(*x >= least && *x <= most) {
		c.fail("%g is not from %g to %g", *x, least, most)
	}
}

func (c *codec) time(t *time.Time) {
	seconds, nanos := uint64(t.Unix()), uint64(t.Nanosecond())
	c.uint(&seconds)
	c.uint(&nanos)
	if c.taking {
		*t = time.Unix(int64(seconds), int64(nanos%1e9)).UTC()
	}
}

func (c *codec) bytes(b *[]byte) {
	n := len(*b)
	c.int(&n)
	if !c.taking {
		c.b = append(c.b, *b...)
		return
	}
	if n > len(c.b) {
		c.fail("%d bytes do not fit", n)
		n = 0
	}
	*b, c.b = c.b[:n], c.b[n:]
}

// number is how many elements of at least size bytes follow.
func (c *codec) number(n *int, size int) {
	c.int(n)
	if c.taking && *n > len(c.b)/size {
		c.fail("%d elements do not fit", *n)
		*n = 0
	}
}

// model goes over everything that Observe changes, but the history.
func (c *codec) model(m *Model) {
	c.uint(&m.seed)
	c.int(&m.records)
	c.time(&m.from)
	c.time(&m.to)
	c.float(&m.limits.overrun, 0, 1)
	for t := range m.targets {
		c.target(&m.targets[t])
	}
	c.choice(&m.choice)
}

func (c *codec) choice(x *choice) {
	for i := range x.ages {
		c.costs(&x.ages[i])
	}
	keys := slices.Sorted(maps.Keys(x.groups))
	n := len(keys)
	c.number(&n, (2+int(numSizings))*8)
	for i := range n {
		var key uint64
		group := &costs{}
		if !c.taking {
			key, group = uint64(keys[i]), x.groups[keys[i]]
		}
		c.uint(&key)
		c.costs(group)
		if c.taking {
			x.groups[features.Key(key)] = group
		}
	}
}

func (c *codec) costs(x *costs) {
	c.float(&x.jobs, 0, math.MaxFloat64)
	for s := range x.sum {
		c.float(&x.sum[s], 0, math.MaxFloat64)
	}
}

func (c *codec) target(t *target) {
	for level := range t.backoff {
		for way := range t.backoff[level] {
			for size := range t.backoff[level][way] {
				s := &t.backoff[level][way][size]
				c.float(&s.credit, 0, math.MaxFloat64)
				c.float(&s.reached, 0, math.MaxFloat64)
			}
		}
	}
	for i := range t.calibration.low {
		c.scores(&t.calibration.low[i])
	}
	for i := range t.calibration.high {
		c.scores(&t.calibration.high[i])
	}
	c.regressions(t.linear)
	c.tilt(&t.tilt)
	c.float(&t.tail.behind, -math.MaxFloat64, math.MaxFloat64)
}

// scores are taken oldest first.
func (c *codec) scores(s *scores) {
	n := len(s.latest)
	c.number(&n, 4)
	for i := range n {
		var below float32
		if !c.taking {
			below = s.latest[(s.oldest+i)%n]
		}
		if c.float32(&below, 0, 1); c.taking {
			s.add(below)
		}
	}
}

func (c *codec) tilt(t *tilt) {
	for i := range t.trust {
		c.float(&t.trust[i].product, -math.MaxFloat64, math.MaxFloat64)
		c.float(&t.trust[i].square, 0, math.MaxFloat64)
	}
	var forest []byte
	if !c.taking && t.forest != nil {
		var err error
		if forest, err = t.forest.AppendBinary(nil); err != nil {
			c.fail("%v", err)
		}
	}
	c.bytes(&forest)
	if !c.taking {
		return
	}
	t.rows, t.forest = nil, nil
	if len(forest) == 0 {
		return
	}
	t.forest = new(boost.Forest)
	if err := t.forest.UnmarshalBinary(forest); err != nil {
		c.fail("%v", err)
	} else if t.forest.Width() != numColumns {
		c.fail("a forest on %d columns, not %d", t.forest.Width(), numColumns)
	}
}

func (c *codec) regressions(rs regressions) {
	keys := slices.Sorted(maps.Keys(rs))
	n := len(keys)
	c.number(&n, 6*8)
	for i := range n {
		var key uint64
		f := &fit{}
		if !c.taking {
			key, f = uint64(keys[i]), rs[keys[i]]
		}
		c.uint(&key)
		c.fit(f)
		if c.taking {
			rs[features.Key(key)] = f
		}
	}
}

func (c *codec) fit(f *fit) {
	c.int(&f.next)
	c.float(&f.with, 0, math.MaxFloat64)
	c.float(&f.without, 0, math.MaxFloat64)
	c.float(&f.trials, 0, math.MaxFloat64)
	n := len(f.columns)
	if c.number(&n, 2*8); n > mostColumns {
		c.fail("a regression on %d inputs, more than %d", n, mostColumns)
		n = 0
	}
	if c.taking {
		f.columns = make([]column, n)
	}
	for i := range f.columns {
		input := uint64(f.columns[i].input)
		c.uint(&input)
		f.columns[i].input = features.InputID(input)
		c.float(&f.columns[i].slope, -steep, steep)
	}
}
