package kube

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"

	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// amounts are resources by name: cpu in millicores, everything else in its own
// unit (memory in bytes). A pod's count it as one of "pods".
type amounts map[string]int64

const cpu, memory, pods = string(corev1.ResourceCPU), string(corev1.ResourceMemory), string(corev1.ResourcePods)

func amountsOf(list corev1.ResourceList) amounts {
	a := make(amounts, len(list)+1)
	for name, q := range list {
		if name == corev1.ResourceCPU {
			a[cpu] = q.MilliValue()
		} else if v := q.Value(); v != 0 {
			a[string(name)] = v
		}
	}
	return a
}

func (a amounts) add(b amounts) {
	for name, v := range b {
		a[name] += v
	}
}

// podRequest is the room an existing pod takes, resized in place or not.
func podRequest(pod *corev1.Pod) amounts {
	a := amountsOf(resource.PodRequests(pod, resource.PodResourcesOptions{UseStatusResources: true}))
	a[pods] = 1
	return a
}

// templateRequest is the room a pod will take once it is made of the template.
func templateRequest(t *corev1.PodTemplateSpec) amounts {
	a := amountsOf(jobspec.PodRequests(t))
	a[pods] = 1
	return a
}

// dimensions are the names of a Vector's elements.
type dimensions []string

// dimensionsOf lists cpu, memory and pods, whatever is requested, and the devices
// that nodes have: a node with GPUs is worth keeping free of jobs without.
func dimensionsOf(nodes []*corev1.Node, requests []amounts) dimensions {
	names := map[string]bool{}
	for _, node := range nodes {
		for name, q := range node.Status.Allocatable {
			if device(name) && !q.IsZero() {
				names[string(name)] = true
			}
		}
	}
	for _, r := range requests {
		for name := range r {
			names[name] = true
		}
	}
	first := dimensions{cpu, memory, pods}
	for _, name := range first {
		delete(names, name)
	}
	return append(first, slices.Sorted(maps.Keys(names))...)
}

// device reports whether the resource is an extended one, such as nvidia.com/gpu.
func device(name corev1.ResourceName) bool {
	return strings.Contains(string(name), "/") && !strings.Contains(string(name), "kubernetes.io/")
}

func (d dimensions) vector(a amounts) scheduler.Vector {
	v := make(scheduler.Vector, len(d))
	for i, name := range d {
		v[i] = a[name]
	}
	return v
}
