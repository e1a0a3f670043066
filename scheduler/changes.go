package scheduler

import "time"

// A change is what room on one node becomes larger (or, at the start of a
// reservation, smaller) by.
type change struct {
	at      time.Duration
	node    int32
	pods    int32 // negative when room is taken
	request []int64
	owner   *string // name of the job it belongs to; as a pointer it tells jobs apart
}

// changes is a heap, the earliest change first.
type changes []change

func (h *changes) push(c change) {
	s := append(*h, c)
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].at <= c.at {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = c
	*h = s
}

func (h *changes) pop() change {
	s := *h
	first, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if right := child + 1; right < len(s) && s[right].at < s[child].at {
			child = right
		}
		if s[child].at >= last.at {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = last
	return first
}
