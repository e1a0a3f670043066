package model

import "slices"

// A sorter puts points in order, in linear time as long as their values are spread out.
type sorter struct {
	buckets []uint8 // of each value
	points  []point
}

// sort returns the points of values, at least one, in ascending order. They hold until the
// next call.
func (s *sorter) sort(values []value) []point {
	const last = 255
	least, most := values[0].log, values[0].log
	for i := range values {
		least, most = min(least, values[i].log), max(most, values[i].log)
	}
	scale := 0.0 // one bucket, if hardly anything lies between
	if most-least > 1e-9 {
		scale = last / (most - least)
	}
	s.buckets = slices.Grow(s.buckets[:0], len(values))[:len(values)]
	s.points = slices.Grow(s.points[:0], len(values))[:len(values)]
	var ends [last + 1]int32 // of the buckets; first their sizes, then their beginnings
	for i := range values {
		b := uint8((values[i].log - least) * scale)
		s.buckets[i] = b
		ends[b]++
	}
	at := int32(0)
	for b, size := range ends {
		ends[b] = at
		at += size
	}
	for i, b := range s.buckets {
		s.points[ends[b]] = values[i].point
		ends[b]++
	}
	from := int32(0)
	for _, end := range ends {
		if end > from+1 {
			sortFew(s.points[from:end])
		}
		from = end
	}
	return s.points
}

// sortFew sorts what most often are a few points, many of them equal.
func sortFew(points []point) {
	if len(points) > 24 {
		slices.SortFunc(points, comparePoints)
		return
	}
	for i := 1; i < len(points); i++ {
		p, at := points[i], i
		for ; at > 0 && comparePoints(p, points[at-1]) < 0; at-- {
			points[at] = points[at-1]
		}
		points[at] = p
	}
}
