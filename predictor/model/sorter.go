package model

import "slices"

// A sorter puts points in order, in linear time as long as their values are spread out.
type sorter struct {
	items, other []item
	points       []point
}

// An item is the place of a value, below a digit of two bytes that orders it.
type item uint32

const (
	digitBits = 16
	mostDigit = 1<<digitBits - 1
)

func itemOf(place int, digit float64) item { return item(digit)<<digitBits | item(place) }
func (i item) place() int                  { return int(i & mostDigit) }
func (i item) digit() item                 { return i >> digitBits }

// sort returns the points of values, at least one and at most 65,536, in ascending order.
// They hold until the next call.
func (s *sorter) sort(values []value) []point {
	least, most := values[0].log, values[0].log
	for i := range values {
		least, most = min(least, values[i].log), max(most, values[i].log)
	}
	scale := 0.0 // all of one digit, if hardly anything lies between
	if most-least > 1e-9 {
		scale = mostDigit / (most - least)
	}
	s.items = slices.Grow(s.items[:0], len(values))[:len(values)]
	s.other = slices.Grow(s.other[:0], len(values))[:len(values)]
	s.points = slices.Grow(s.points[:0], len(values))[:len(values)]
	for i := range values {
		s.items[i] = itemOf(i, (values[i].log-least)*scale)
	}
	distribute(s.other, s.items, digitBits)
	distribute(s.items, s.other, digitBits+8)
	for i, it := range s.items {
		s.points[i] = values[it.place()].point
	}
	for from := 0; from < len(s.items); {
		to := from + 1
		for to < len(s.items) && s.items[to].digit() == s.items[from].digit() {
			to++
		}
		if to > from+1 {
			slices.SortFunc(s.points[from:to], comparePoints)
		}
		from = to
	}
	return s.points
}

// distribute copies items in the order of the byte above some bits of them, and of those
// with the same byte as they were: a pass of a radix sort.
func distribute(to, from []item, above int) {
	var ends [1 << 8]int32 // of the items of each byte; first their numbers, then their beginnings
	for _, it := range from {
		ends[uint8(it>>above)]++
	}
	at := int32(0)
	for b, n := range ends {
		ends[b] = at
		at += n
	}
	for _, it := range from {
		end := &ends[uint8(it>>above)]
		to[*end] = it
		*end++
	}
}
