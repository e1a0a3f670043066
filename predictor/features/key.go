package features

import (
	"math"
	"math/bits"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// A Key names a group: a hash of what its jobs have in common. The zero Key names none.
type Key uint64

// Keys are a job's groups, by level; zero where a level coincides with a coarser
// one for this job.
type Keys [NumLevels]Key

// KeysOf returns the groups that a job belongs to. The last, of all jobs, is never zero.
func KeysOf(s *predictor.JobSpec) Keys {
	hashes, present := partsOf(s)
	var keys Keys
next:
	for i := NumLevels - 1; i >= 0; i-- {
		have := Levels[i].parts & present
		h := fnvOffset.uint(uint64(have))
		for p := range numParts {
			if have&(1<<p) != 0 {
				h = h.uint(uint64(hashes[p]))
			}
		}
		key := Key(h | 1) // never zero
		for _, coarser := range keys[i+1:] {
			if coarser == key {
				continue next
			}
		}
		keys[i] = key
	}
	return keys
}

// partsOf hashes each part of a job; present has the bits of those that are not empty.
func partsOf(s *predictor.JobSpec) (hashes [numParts]hash, present part) {
	set := func(p part, ok bool, h hash) {
		if ok {
			hashes[bits.TrailingZeros16(uint16(p))] = h
			present |= p
		}
	}
	_, value := subject(s)
	h := fnvOffset
	set(who, s.Namespace != "" || s.User != "", h.text(s.Namespace).text(s.User))
	set(what, value != "", h.text(RunName(s)))
	set(kind, value != "", h.text(Template(value)))
	set(command, s.Command != "", h.text(Template(s.Command)))
	set(image, s.Image != "", h.text(repository(s.Image)))
	set(version, s.Image != "", h.text(s.Image))
	set(queue, s.Queue != "" || s.Namespace != "", h.text(s.Queue).text(s.Namespace))
	set(shape, true, h.uint(uint64(s.Gang())).
		number(s.Requests.CPUCores).uint(uint64(s.Requests.Memory)).number(s.Requests.GPUs).
		text(s.GPUModel).text(s.NodeType).text(s.Cluster))
	set(limit, s.RuntimeLimit > 0 || s.ExpectedRuntime > 0, h.uint(uint64(s.RuntimeLimit)).uint(uint64(s.ExpectedRuntime)))
	set(inputs, len(s.Features) > 0, h.features(s.Features))
	return hashes, present
}

// subject is what a job calls itself, and the name of that field.
func subject(s *predictor.JobSpec) (label, value string) {
	switch {
	case s.Family != "":
		return "family", s.Family
	case s.Owner != "":
		return "owner", s.Owner
	}
	return "name", s.Name
}

// repository is an image without its tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}

// hash is FNV-1a (Fowler, Noll, Vo): the same in every process, which artifacts need.
type hash uint64

const (
	fnvOffset hash = 14695981039346656037
	fnvPrime  hash = 1099511628211
)

func (h hash) text(s string) hash {
	for i := range len(s) {
		h = (h ^ hash(s[i])) * fnvPrime
	}
	return (h ^ 0xff) * fnvPrime // ends the text; 0xff occurs in no UTF-8
}

func (h hash) uint(x uint64) hash {
	for range 8 {
		h = (h ^ hash(x&0xff)) * fnvPrime
		x >>= 8
	}
	return h
}

func (h hash) number(x float64) hash { return h.uint(math.Float64bits(x)) }

func (h hash) features(f map[string]predictor.Feature) hash {
	for _, name := range names(f) {
		h = h.text(name).text(f[name].Text).number(f[name].Number)
	}
	return h
}
