package recommender

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// A Need is what a container needs of one resource, in millicores or bytes, before
// anything bounds it: 0 <= Lower <= Target <= Upper. Below Lower it is likely to
// suffer, above Upper it is likely to waste.
type Need struct{ Lower, Target, Upper int64 }

// Needs are by container and by resource, CPU or memory.
type Needs map[string]map[corev1.ResourceName]Need

// resources are all that is ever recommended. GPUs are not: the admission controller
// scales no limits of theirs, and a request that is not the limit is refused.
var resources = [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

// least is what every container is given: a CPU limit cannot be finer than 1 ms in
// 100 ms (the kernel's CFS bandwidth control), and starting a container takes some
// ten MiB of its own memory limit.
var least = amounts{corev1.ResourceCPU: 10, corev1.ResourceMemory: 32 << 20}

// A Room bounds what may be recommended in one namespace.
type Room struct {
	// Nodes are what the nodes have to give (status.allocatable). None: not known.
	Nodes []corev1.ResourceList
	// MaxAllowed bounds each container where its policy has no maxAllowed.
	MaxAllowed corev1.ResourceList
	// LimitRanges are those of the namespace.
	LimitRanges []corev1.LimitRangeItem
}

// recommend fits needs to what may be asked for. Containers without a need, with
// mode Off or with no controlled resource get no recommendation. Of those returned
// in the order of the template
//
//	0 < lower bound <= target <= upper bound, and 0 < uncapped target,
//
// and all targets, or all upper bounds of one container, fit on a node together with
// the requests of the containers that are left alone.
func recommend(pod *corev1.PodSpec, needs Needs, policy *vpav1.PodResourcePolicy, room Room) []vpav1.RecommendedContainerResources {
	var sizes []size
	for i := range pod.Containers {
		c := &pod.Containers[i]
		s := size{c, amounts{}, amounts{}, amounts{}, amounts{}}
		p := policyOf(policy, c.Name)
		for _, name := range controlled(p) {
			need, ok := needs[c.Name][name]
			if !ok {
				continue
			}
			from, to := bounds(c, p, room, name)
			within := func(v int64) int64 { return min(max(v, from), to) }
			s.uncapped[name] = max(need.Target, least[name])
			s.lower[name], s.target[name], s.upper[name] = within(need.Lower), within(need.Target), within(need.Upper)
		}
		if len(s.target) > 0 {
			sizes = append(sizes, s)
		}
	}
	fit(pod, sizes, room)
	out := make([]vpav1.RecommendedContainerResources, len(sizes))
	for i, s := range sizes {
		out[i] = vpav1.RecommendedContainerResources{
			ContainerName: s.container.Name,
			Target:        list(s.target), LowerBound: list(s.lower), UpperBound: list(s.upper), UncappedTarget: list(s.uncapped),
		}
	}
	return out
}

// amounts are millicores or bytes by resource.
type amounts map[corev1.ResourceName]int64

// A size is what is recommended for one container.
type size struct {
	container                      *corev1.Container
	uncapped, lower, target, upper amounts
}

// policyOf is the container's own policy, else that of all; the zero policy if there
// is none.
func policyOf(policy *vpav1.PodResourcePolicy, container string) *vpav1.ContainerResourcePolicy {
	found := &vpav1.ContainerResourcePolicy{}
	if policy == nil {
		return found
	}
	for i := range policy.ContainerPolicies {
		switch p := &policy.ContainerPolicies[i]; p.ContainerName {
		case container:
			return p
		case vpav1.DefaultContainerResourcePolicy:
			found = p
		}
	}
	return found
}

// controlled are the resources of a container that its policy leaves to VPA.
func controlled(p *vpav1.ContainerResourcePolicy) []corev1.ResourceName {
	if p.Mode != nil && *p.Mode == vpav1.ContainerScalingModeOff {
		return nil
	}
	var names []corev1.ResourceName
	for _, name := range resources {
		if p.ControlledResources == nil || slices.Contains(*p.ControlledResources, name) {
			names = append(names, name)
		}
	}
	return names
}

// amount is a list's quantity of a resource in millicores or bytes, rounded up.
func amount(list corev1.ResourceList, name corev1.ResourceName) (n int64, ok bool) {
	q, ok := list[name]
	if name == corev1.ResourceCPU {
		return q.MilliValue(), ok
	}
	return q.Value(), ok
}

// list writes amounts as VPA does: CPU in millicores, memory in bytes.
func list(a amounts) corev1.ResourceList {
	l := corev1.ResourceList{}
	for name, n := range a {
		if name == corev1.ResourceCPU {
			l[name] = *resource.NewMilliQuantity(n, resource.DecimalSI)
		} else {
			l[name] = *resource.NewQuantity(n, resource.BinarySI)
		}
	}
	return l
}

// request is what a container asks for: its limit where it has no request.
func request(c *corev1.Container, name corev1.ResourceName) int64 {
	n, ok := amount(c.Resources.Requests, name)
	if !ok {
		n, _ = amount(c.Resources.Limits, name)
	}
	return n
}
