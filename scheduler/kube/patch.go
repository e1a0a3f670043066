package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A jsonPatch changes a Job on the condition that it is still the one it was made
// from (RFC 6902). All operations apply, or none.
type jsonPatch []operation

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// null is a value that omitempty keeps.
var null = json.RawMessage("null")

func (p *jsonPatch) add(op, path string, value any) {
	*p = append(*p, operation{op, path, value})
}

// annotate sets the annotations; an empty value removes one.
func (p *jsonPatch) annotate(job *batchv1.Job, set map[string]string) {
	const root = "/metadata/annotations"
	if len(job.Annotations) == 0 {
		set = maps.Clone(set)
		maps.DeleteFunc(set, func(_, v string) bool { return v == "" })
		p.add("test", root, null)
		p.add("add", root, set)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		path := root + "/" + escapePointer(name)
		_, present := job.Annotations[name]
		switch {
		case set[name] != "":
			p.add("add", path, set[name])
		case present:
			p.add("remove", path, nil)
		}
	}
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

// releasePatch lets the Job run. It applies only to the very Job that was decided
// on: the same object (uid), with the same spec (generation), in the same queue
// and of the same owner (labels), still suspended. So a release that was decided
// on old data, or twice, does nothing.
//
// nodes are those that the plan counts on: the pods prefer them, for kube-scheduler
// may otherwise put them where room is kept for another job. None if nil.
//
// size is what the pods are to ask for; nil for what they do.
func releasePatch(job *batchv1.Job, nodes []string, size *size, annotations map[string]string) jsonPatch {
	var p jsonPatch
	p.add("test", "/metadata/uid", job.UID)
	if job.Generation != 0 {
		p.add("test", "/metadata/generation", job.Generation)
	}
	p.add("test", "/metadata/labels", job.Labels)
	p.add("test", "/spec/suspend", true)
	p.add("replace", "/spec/suspend", false)
	if len(nodes) > 0 {
		p.add("add", "/spec/template/spec/affinity", preferring(nodes, job.Spec.Template.Spec.Affinity))
	}
	if size != nil {
		p.add("add", fmt.Sprintf("/spec/template/spec/containers/%d/resources", size.container), size.resources)
	}
	p.annotate(job, annotations)
	return p
}

// preferring returns affinity with a preference for nodes, beside what it has but
// for the nodes of an earlier release. The weight is the largest there is; with
// kube-scheduler's default plugins nothing but another preference outweighs it.
func preferring(nodes []string, affinity *corev1.Affinity) *corev1.Affinity {
	if affinity = affinity.DeepCopy(); affinity == nil {
		affinity = &corev1.Affinity{}
	}
	if affinity.NodeAffinity == nil {
		affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	preferred := &affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	*preferred = slices.DeleteFunc(*preferred, func(t corev1.PreferredSchedulingTerm) bool { return preferredNode(t) != "" })
	for _, n := range nodes {
		*preferred = append(*preferred, preference(n))
	}
	return affinity
}

// preference is for one node: the API server takes no more in a match of names.
func preference(node string) corev1.PreferredSchedulingTerm {
	return corev1.PreferredSchedulingTerm{Weight: 100, Preference: corev1.NodeSelectorTerm{
		MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
	}}
}

// preferredNode is the inverse of preference; empty for a term of another kind.
func preferredNode(t corev1.PreferredSchedulingTerm) string {
	fields := t.Preference.MatchFields
	if len(fields) != 1 || len(fields[0].Values) != 1 || !equality.Semantic.DeepEqual(t, preference(fields[0].Values[0])) {
		return ""
	}
	return fields[0].Values[0]
}

// preferredNodes are those that a release has made a pod prefer.
func preferredNodes(affinity *corev1.Affinity) []string {
	if affinity == nil || affinity.NodeAffinity == nil {
		return nil
	}
	var nodes []string
	for _, t := range affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		if n := preferredNode(t); n != "" {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// noticePatch annotates a Job that waits. It does nothing to one that was released
// meanwhile: that has been told why.
func noticePatch(job *batchv1.Job, annotations map[string]string) jsonPatch {
	var p jsonPatch
	p.add("test", "/metadata/uid", job.UID)
	p.add("test", "/spec/suspend", true)
	p.annotate(job, annotations)
	return p
}
