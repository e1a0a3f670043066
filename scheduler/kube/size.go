package kube

import (
	"fmt"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// A size is what the pods of a Job are to ask for in place of what they do.
type size struct {
	container int // in the template
	resources corev1.ResourceRequirements
	request   amounts         // of one pod, then
	user      predictor.Bytes // memory of one pod, as the user asked for it; zero if for none
	name      string          // of the container
	from, to  resource.Quantity
}

// size is the one that a Job is to be released with, nil for the one it has: where
// its user lets a prediction be applied, and there is one from runs of its own.
//
// It is never one that no node has room for. Nor is it one if it might be in the
// way, as for a preference for nodes: the template of a Job that has been started
// before, or whose release was refused, stays as it is.
func (r *room) size(p *pending) *size {
	if p.facts.rightSize != jobspec.Apply || p.from != fromModel || p.estimate.Cold || p.estimate.Samples == 0 ||
		p.job.Status.StartTime != nil || p.refusal.times > 0 {
		return nil
	}
	s := sizeOf(p.job, scheduler.PodMemory(&p.estimate, p.facts.spec.Requests.Memory))
	if s == nil || s.request[memory] > p.facts.request[memory] && !r.offers(s.request[memory], &p.facts.placement) {
		return nil
	}
	s.user = p.facts.spec.Requests.Memory
	return s
}

// offers reports whether a node of the class has so much memory beside what the pods
// that are no Job's hold there.
func (r *room) offers(bytes int64, pl *placement) bool {
	class := r.classes.masks[r.classes.index(pl)]
	return slices.ContainsFunc(r.nodes, func(n *corev1.Node) bool {
		i := r.index[n.Name]
		return class[i] && n.Status.Allocatable.Memory().Value()-r.strangers[i][memory] >= bytes
	})
}

// sizeOf makes the pods of a Job ask for so much memory, in whole mebibytes, of which the
// main container gets what the others leave; nil if that changes nothing or cannot be
// done. The main container's limit moves only if it would be below its request: a lower
// one would get runs killed that today are not. Requests for whole pods stay as they are.
func sizeOf(job *batchv1.Job, ask predictor.Bytes) *size {
	template := job.Spec.Template.DeepCopy()
	main := jobspec.MainContainer(template)
	if main == nil || ask == 0 || template.Spec.Resources != nil {
		return nil
	}
	from, limit := *main.Resources.Requests.Memory(), *main.Resources.Limits.Memory()
	if from.IsZero() {
		from = limit // which the API server takes for it
	}
	rest := int64(ask) - besides(template, main)
	if rest <= 0 {
		return nil
	}
	const unit = int64(predictor.MiB)
	to := *resource.NewQuantity((rest+unit-1)/unit*unit, resource.BinarySI)
	if to.Cmp(from) == 0 {
		return nil
	}
	set(&main.Resources.Requests, to)
	if !limit.IsZero() && limit.Cmp(to) < 0 {
		set(&main.Resources.Limits, to)
	}
	return &size{
		container: slices.IndexFunc(template.Spec.Containers, func(c corev1.Container) bool { return c.Name == main.Name }),
		resources: main.Resources,
		request:   templateRequest(template),
		name:      main.Name, from: from, to: to,
	}
}

// besides is the memory that the containers which run beside main ask for.
func besides(template *corev1.PodTemplateSpec, main *corev1.Container) int64 {
	others := corev1.PodTemplateSpec{}
	for _, c := range template.Spec.Containers {
		if c.Name != main.Name {
			others.Spec.Containers = append(others.Spec.Containers, c)
		}
	}
	for _, c := range template.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			others.Spec.Containers = append(others.Spec.Containers, c)
		}
	}
	q := jobspec.PodRequests(&others)[corev1.ResourceMemory]
	return q.Value()
}

func set(list *corev1.ResourceList, memory resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[corev1.ResourceMemory] = memory
}

// annotations keep what the user asked for: it is what the Job is known by.
func (s *size) annotations() map[string]string {
	if s.user == 0 {
		return nil
	}
	return map[string]string{jobspec.AnnotationUserMemory: strconv.FormatInt(int64(s.user), 10)}
}

func (s *size) String() string {
	return fmt.Sprintf("container %s asks for %s of memory instead of %s", s.name, s.to.String(), s.from.String())
}
