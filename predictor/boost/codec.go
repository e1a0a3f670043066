package boost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// version is the first byte of a forest.
const version = 1

const (
	nodeBytes = 4 + 2 + 2 + 2
	leafBytes = 4
	// missingLeft is the bit of a node's feature that says so.
	missingLeft = mostFeatures
)

// AppendBinary appends the forest to b; equal forests give equal bytes. Numbers are little-endian:
//
//	version            1 byte
//	width              uvarint
//	base               float64
//	gains              float64 each, as many as width
//	trees              uvarint
//	  nodes            uvarint, 1 or more
//	    bound          float32
//	    feature        uint16, of which the highest bit says that missing values go left
//	    left, right    int16: a later node, or the complement of a leaf
//	  leaves           float32 each, one more than nodes
func (f *Forest) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(f.width))
	b = le.AppendUint64(b, math.Float64bits(f.base))
	for _, g := range f.gains {
		b = le.AppendUint64(b, math.Float64bits(g))
	}
	b = binary.AppendUvarint(b, uint64(len(f.trees)))
	for _, t := range f.trees {
		b = binary.AppendUvarint(b, uint64(len(t.nodes)))
		for _, n := range t.nodes {
			feature := n.feature
			if n.missingLeft {
				feature |= missingLeft
			}
			b = le.AppendUint32(b, math.Float32bits(n.bound))
			b = le.AppendUint16(b, feature)
			b = le.AppendUint16(b, uint16(n.left))
			b = le.AppendUint16(b, uint16(n.right))
		}
		for _, v := range t.values {
			b = le.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b, nil
}

// UnmarshalBinary replaces the forest by the one that AppendBinary wrote. It returns an error for
// anything else, and then leaves the forest as it was.
func (f *Forest) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	if v := r.bytes(1)[0]; v != version && r.err == nil {
		return fmt.Errorf("forest: version %d, not %d", v, version)
	}
	var read Forest
	if read.width = r.count(8); read.width < 1 || read.width > mostFeatures {
		r.fail(fmt.Errorf("%d features", read.width))
		read.width = 0
	}
	read.base = r.float64(-math.MaxFloat32)
	read.gains = make([]float64, read.width)
	for i := range read.gains {
		read.gains[i] = r.float64(0)
	}
	read.trees = make([]tree, r.count(1+nodeBytes+2*leafBytes))
	for i := range read.trees {
		read.trees[i] = r.tree(read.width)
	}
	if len(r.b) > 0 {
		r.fail(fmt.Errorf("%d bytes too many", len(r.b)))
	}
	if r.err != nil {
		return fmt.Errorf("forest, %d bytes before the end: %w", r.left, r.err)
	}
	*f = read
	return nil
}

// A reader takes from b. After the first error it takes zeros.
type reader struct {
	b    []byte
	err  error
	left int // bytes of b at the first error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.left = err, len(r.b)
	}
	r.b = nil
}

var errShort = errors.New("too short")

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail(errShort)
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// count takes a number of elements, that have size bytes or more each.
func (r *reader) count(size int) int {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > uint64(len(r.b)-used)/uint64(size) {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[used:]
	return int(n)
}

// float64 takes a number from least up that is finite.
func (r *reader) float64(least float64) float64 {
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.bytes(8)))
	if !(v >= least && v <= math.MaxFloat64) {
		r.fail(fmt.Errorf("%g is out of range", v))
	}
	return v
}

func (r *reader) uint16() uint16 { return binary.LittleEndian.Uint16(r.bytes(2)) }

func (r *reader) float32() float32 {
	v := math.Float32frombits(binary.LittleEndian.Uint32(r.bytes(4)))
	if v != v {
		r.fail(errors.New("not a number"))
	}
	return v
}

// tree takes a tree on rows of width features.
func (r *reader) tree(width int) tree {
	n := r.count(nodeBytes)
	if n < 1 || n >= mostLeaves {
		r.fail(fmt.Errorf("a tree of %d nodes", n))
		return tree{}
	}
	t := tree{nodes: make([]node, n), values: make([]float32, n+1)}
	for i := range t.nodes {
		bound, feature := r.float32(), r.uint16()
		t.nodes[i] = node{
			bound:       bound,
			feature:     feature &^ missingLeft,
			missingLeft: feature&missingLeft != 0,
			left:        int16(r.uint16()),
			right:       int16(r.uint16()),
		}
		if int(t.nodes[i].feature) >= width {
			r.fail(fmt.Errorf("feature %d of %d", t.nodes[i].feature, width))
		}
		for _, child := range []int16{t.nodes[i].left, t.nodes[i].right} {
			if child >= 0 && (int(child) <= i || int(child) >= n) || child < 0 && int(^child) > n {
				r.fail(fmt.Errorf("node %d of %d has the child %d", i, n, child))
			}
		}
	}
	for i := range t.values {
		if t.values[i] = r.float32(); math.Abs(float64(t.values[i])) > math.MaxFloat32 {
			r.fail(errors.New("an infinite leaf"))
		}
	}
	return t
}
