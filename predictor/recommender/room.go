package recommender

import (
	"math"
	"math/bits"
	"slices"

	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// bounds are the least and the most of a resource that one container may be given,
// by its policy, the LimitRanges and its own limit: 0 < from <= to. Where they
// contradict each other, the most counts.
func bounds(c *corev1.Container, p *vpav1.ContainerResourcePolicy, room Room, name corev1.ResourceName) (from, to int64) {
	from, to = least[name], math.MaxInt64
	if n, ok := amount(p.MinAllowed, name); ok {
		from = max(from, n)
	}
	if n, ok := amount(p.MaxAllowed, name); ok && n > 0 {
		to = n
	} else if n, ok := amount(room.MaxAllowed, name); ok && n > 0 {
		to = n
	}
	asked, limit := admitted(c, room, name)
	scalesLimits := p.ControlledValues == nil || *p.ControlledValues != vpav1.ContainerControlledValuesRequestsOnly
	for i := range room.LimitRanges {
		r := &room.LimitRanges[i]
		if r.Type != corev1.LimitTypeContainer {
			continue
		}
		if n, ok := amount(r.Min, name); ok {
			from = max(from, n)
		}
		n, ok := amount(r.Max, name)
		if !ok || n <= 0 {
			continue
		}
		// The range bounds the limit as well, which grows with the request.
		if scalesLimits && 0 < asked && asked < limit {
			n = proportion(n, asked, limit)
		}
		to = min(to, n)
	}
	if !scalesLimits && limit > 0 {
		to = min(to, limit)
	}
	to = max(to, 1)
	return min(from, to), to
}

// admitted is what a container asks for of a resource, and its limit, once LimitRanges
// have filled in what it does not say; 0 if nothing does.
func admitted(c *corev1.Container, room Room, name corev1.ResourceName) (asked, limit int64) {
	limit, limited := amount(c.Resources.Limits, name)
	asked = request(c, name)
	for i := range room.LimitRanges {
		r := &room.LimitRanges[i]
		if r.Type != corev1.LimitTypeContainer {
			continue
		}
		if !limited {
			limit, limited = amount(r.Default, name)
		}
		if asked == 0 {
			asked, _ = amount(r.DefaultRequest, name)
		}
	}
	return asked, limit
}

// fit shrinks sizes that no node, or no LimitRange for pods, has room for together
// with the containers that are left alone: of all containers in the same proportion.
// CPU gives way to memory, without which a pod dies: it is bounded by the largest
// node that has the memory.
func fit(pod *corev1.PodSpec, sizes []size, room Room) {
	memory := most(room, corev1.ResourceMemory, 0)
	used := shrink(sizes, corev1.ResourceMemory, memory, unsized(pod, sizes, corev1.ResourceMemory))
	cpu := most(room, corev1.ResourceCPU, min(used, memory))
	shrink(sizes, corev1.ResourceCPU, cpu, unsized(pod, sizes, corev1.ResourceCPU))
}

// unsized is what the containers ask for of a resource that is not recommended for them.
func unsized(pod *corev1.PodSpec, sizes []size, name corev1.ResourceName) (sum int64) {
	for i := range pod.Containers {
		c := &pod.Containers[i]
		if !slices.ContainsFunc(sizes, func(s size) bool { return s.container == c && s.target[name] > 0 }) {
			sum = add(sum, request(c, name))
		}
	}
	return sum
}

// most is the most of a resource that a pod may have: that of the largest node with
// at least the given memory, unless a LimitRange allows less.
func most(room Room, name corev1.ResourceName, memory int64) int64 {
	most := int64(math.MaxInt64)
	if len(room.Nodes) > 0 {
		most = 0
		for _, node := range room.Nodes {
			if m, _ := amount(node, corev1.ResourceMemory); m >= memory {
				n, _ := amount(node, name)
				most = max(most, n)
			}
		}
	}
	for _, r := range room.LimitRanges {
		if n, ok := amount(r.Max, name); ok && n > 0 && r.Type == corev1.LimitTypePod {
			most = min(most, n)
		}
	}
	return most
}

// shrink brings the sum of targets down to what the others leave of most, and each
// bound to between the target and that. It returns what the pod then asks for.
func shrink(sizes []size, name corev1.ResourceName, most, others int64) (used int64) {
	left, used := max(most-others, 0), others
	var sum int64
	for _, s := range sizes {
		sum = add(sum, s.target[name])
	}
	for _, s := range sizes {
		t, ok := s.target[name]
		if !ok {
			continue
		}
		if sum > left {
			t = max(proportion(t, left, sum), 1)
		}
		s.target[name] = t
		s.lower[name] = min(s.lower[name], t)
		s.upper[name] = max(min(s.upper[name], left), t)
		used = add(used, t)
	}
	return used
}

// proportion is n × a / b, rounded down, for 0 <= a <= b and 0 < b.
func proportion(n, a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(a))
	q, _ := bits.Div64(hi, lo, uint64(b))
	return int64(q)
}

// add is a + b, or the largest number if that is more.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
