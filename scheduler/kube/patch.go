package kube

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
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
// One patch is all there is: what else is to change on the Job at its release
// (requests, preferred nodes) belongs here, between suspend and the annotations.
func releasePatch(job *batchv1.Job, annotations map[string]string) jsonPatch {
	var p jsonPatch
	p.add("test", "/metadata/uid", job.UID)
	if job.Generation != 0 {
		p.add("test", "/metadata/generation", job.Generation)
	}
	p.add("test", "/metadata/labels", job.Labels)
	p.add("test", "/spec/suspend", true)
	p.add("replace", "/spec/suspend", false)
	p.annotate(job, annotations)
	return p
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
