package kube

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// A placement is the part of a pod that says which nodes it may use. Pods with
// the same key may use the same nodes.
type placement struct {
	key         string
	affinity    nodeaffinity.RequiredNodeAffinity
	tolerations []corev1.Toleration
	node        string // spec.nodeName: that one only
}

func placementOf(spec *corev1.PodSpec) placement {
	var required *corev1.NodeSelector
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil {
		required = a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	// Of these types every value has a JSON form, with map keys in order.
	key, err := json.Marshal([]any{spec.NodeSelector, required, spec.Tolerations, spec.NodeName})
	if err != nil {
		panic(err)
	}
	return placement{
		key:         string(key),
		affinity:    nodeaffinity.NewRequiredNodeAffinity(spec.NodeSelector, spec.Affinity),
		tolerations: spec.Tolerations,
		node:        spec.NodeName,
	}
}

// allows reports whether a pod may be placed on node, room aside.
func (p *placement) allows(node *corev1.Node) bool {
	if !ready(node) || p.node != "" && p.node != node.Name {
		return false
	}
	taints := node.Spec.Taints
	if node.Spec.Unschedulable {
		taints = append(taints[:len(taints):len(taints)], corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	if _, untolerated := helpers.FindMatchingUntoleratedTaint(klog.Background(), taints, p.tolerations, repels, true); untolerated {
		return false
	}
	// A term that does not parse matches nothing, for kube-scheduler too.
	ok, err := p.affinity.Match(node)
	return ok && err == nil
}

// repels reports whether a taint keeps new pods off; PreferNoSchedule does not.
func repels(t *corev1.Taint) bool {
	return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
}

// ready is false for a node whose kubelet says so or is silent. A node without
// the condition is judged by its taints alone.
func ready(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return true
}

// classes computes Snapshot.Classes. What has not changed since the last snapshot
// is not computed again: with many nodes and many kinds of jobs it is most of the work.
type classes struct {
	nodes []*corev1.Node
	known map[string]*class
	masks [][]bool // of this snapshot
}

type class struct {
	placement
	allowed []bool // by index in nodes
	index   int    // in masks; -1 if this snapshot has no use for it
}

// begin starts a snapshot of nodes, which are sorted by name.
func (c *classes) begin(nodes []*corev1.Node) {
	same := len(nodes) == len(c.nodes)
	for i := range nodes {
		same = same && nodes[i].Name == c.nodes[i].Name
	}
	if !same {
		c.known = map[string]*class{}
	}
	for _, k := range c.known {
		k.index = -1
		for i, node := range nodes {
			if node != c.nodes[i] {
				k.allowed[i] = k.allows(node)
			}
		}
	}
	c.nodes, c.masks = nodes, nil
}

// index is the class of p in this snapshot.
func (c *classes) index(p *placement) int {
	k := c.known[p.key]
	if k == nil {
		k = &class{placement: *p, allowed: make([]bool, len(c.nodes)), index: -1}
		for i, node := range c.nodes {
			k.allowed[i] = k.allows(node)
		}
		c.known[p.key] = k
	}
	if k.index < 0 {
		k.index = len(c.masks)
		c.masks = append(c.masks, k.allowed)
	}
	return k.index
}

// end returns the snapshot's classes, valid until the next begin, and forgets
// those it had no use for.
func (c *classes) end() [][]bool {
	for key, k := range c.known {
		if k.index < 0 {
			delete(c.known, key)
		}
	}
	return c.masks
}
