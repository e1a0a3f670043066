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
func (i item) low() uint8                  { return uint8(i >> digitBits) }
func (i item) high() uint8                 { return uint8(i >> (digitBits + 8)) }

// sort returns the points of values, at least one and at most 65,536, in ascending order.
// They hold until the next call.
func (s *sorter) sort(values []value) []point {
	least, most := values[0].log, values[0].log
	for i := range values {
		if log := values[i].log; log < least {
			least = log
		} else if log > most {
			most = log
		}
	}
	scale := 0.0 // all of one digit, if hardly anything lies between
	if most-least > 1e-9 {
		scale = mostDigit / (most - least)
	}
	s.items = slices.Grow(s.items[:0], len(values))[:len(values)]
	s.other = slices.Grow(s.other[:0], len(values))[:len(values)]
	s.points = slices.Grow(s.points[:0], len(values))[:len(values)]
	var low, high places
	for i := range values {
		it := itemOf(i, (values[i].log-least)*scale)
		s.items[i] = it
		low[it.low()]++
		high[it.high()]++
	}
	low.begin()
	high.begin()
	for _, it := range s.items {
		s.other[low.next(it.low())] = it
	}
	for _, it := range s.other {
		at := high.next(it.high())
		s.items[at], s.points[at] = it, values[it.place()].point
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

// places are those of the items with each value of a byte: first their numbers, then where
// the next one goes. Two passes by places, the lower byte first, are a radix sort.
type places [1 << 8]int32

// begin turns numbers into beginnings.
func (p *places) begin() {
	at := int32(0)
	for b, n := range p {
		p[b] = at
		at += n
	}
}

func (p *places) next(b uint8) int32 {
	at := p[b]
	p[b]++
	return at
}
