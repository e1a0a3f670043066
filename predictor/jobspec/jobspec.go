package jobspec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"

	"github.com/runcast/runcast/predictor"
)

// maxFeatureName is the longest name of an input that the vocabulary accepts, in bytes.
const maxFeatureName = 256

// A Problem is a field of a Job that could not be read and was left out.
type Problem struct {
	Field, Value, Expected string
}

func (p Problem) Error() string {
	return fmt.Sprintf("%s: %.80q is not %s", p.Field, p.Value, p.Expected)
}

// FromJob reads what is known of job at its submission: of one whose request was changed
// at its release, the request before. priority is the value of
// its PriorityClass. ID and Cluster are the caller's to fill in. The spec satisfies
// Validate; what did not is left out and reported.
func FromJob(job *batchv1.Job, priority int32) (predictor.JobSpec, []Problem) {
	r := reader{job: job}
	tmpl := &job.Spec.Template
	main := MainContainer(tmpl)
	s := predictor.JobSpec{
		Submitted: job.CreationTimestamp.Time.UTC(),
		Namespace: job.Namespace,
		User:      r.annotation(AnnotationUser),
		Queue:     text(Queue(job)),
		Name:      job.Name,
		Owner:     text(owner(job.OwnerReferences)),
		Family:    r.annotation(AnnotationFamily),
		Priority:  priority,
		Pods:      Gang(job),
		Requests:  requests(tmpl),
		GPUModel:  text(tmpl.Spec.NodeSelector[LabelGPUProduct]),
		NodeType:  text(tmpl.Spec.NodeSelector[LabelInstanceType]),
	}
	if main != nil {
		s.Image = text(main.Image)
		s.Command = text(strings.Join(slices.Concat(main.Command, main.Args), " "))
	}
	if asked := r.bytes("metadata.annotations["+AnnotationUserMemory+"]", job.Annotations[AnnotationUserMemory]); asked > 0 {
		s.Requests.Memory = asked
	}
	s.RuntimeLimit = r.limit()
	s.ExpectedRuntime = r.expectation()
	s.Features = r.features()
	if s.Pods > predictor.MaxPods {
		r.problem("spec.parallelism", strconv.Itoa(s.Pods), "at most a million")
		s.Pods = predictor.MaxPods
	}
	if s.Requests.Memory > predictor.MaxMemory {
		r.problem("spec.template.spec resources.requests.memory", s.Requests.Memory.String(), "at most 1 PiB")
		s.Requests.Memory = 0
	}
	return s, r.problems
}

// Queue is the name of the queue a Job is in: Runcast's label, else Kueue's.
func Queue(job *batchv1.Job) string {
	if q := job.Labels[LabelQueue]; q != "" {
		return q
	}
	return job.Labels[LabelKueueQueue]
}

// Gang is the number of pods of a Job that run at once.
func Gang(job *batchv1.Job) int {
	n := int32(1)
	if p := job.Spec.Parallelism; p != nil {
		n = *p
	}
	if c := job.Spec.Completions; c != nil {
		n = min(n, *c)
	}
	return int(max(n, 1))
}

// isGPU reports whether an extended resource counts as GPUs.
func isGPU(name corev1.ResourceName) bool {
	return strings.HasSuffix(string(name), "/gpu") || strings.HasPrefix(string(name), "nvidia.com/mig-")
}

// MainContainer is the one the default-container annotation names, else the
// first; nil if the template has none.
func MainContainer(t *corev1.PodTemplateSpec) *corev1.Container {
	for i := range t.Spec.Containers {
		if t.Spec.Containers[i].Name == t.Annotations[defaultContainer] {
			return &t.Spec.Containers[i]
		}
	}
	if len(t.Spec.Containers) == 0 {
		return nil
	}
	return &t.Spec.Containers[0]
}

func owner(refs []metav1.OwnerReference) string {
	for _, o := range refs {
		if o.Controller != nil && *o.Controller {
			return o.Kind + "/" + o.Name
		}
	}
	return ""
}

// PodRequests is what a pod made of the template asks for, init containers and
// overhead included. The API server sets a missing request to the limit, but only
// on the pod; so it is done here.
func PodRequests(t *corev1.PodTemplateSpec) corev1.ResourceList {
	return resource.PodRequests(&corev1.Pod{Spec: corev1.PodSpec{
		Containers:     requestsFromLimits(t.Spec.Containers),
		InitContainers: requestsFromLimits(t.Spec.InitContainers),
		Resources:      t.Spec.Resources,
		Overhead:       t.Spec.Overhead,
	}}, resource.PodResourcesOptions{})
}

// requestsFromLimits returns the containers with every request set for which
// there is a limit.
func requestsFromLimits(containers []corev1.Container) []corev1.Container {
	containers = slices.Clone(containers)
	for i := range containers {
		r := &containers[i].Resources
		if len(r.Limits) == 0 {
			continue
		}
		requests := maps.Clone(r.Limits)
		maps.Copy(requests, r.Requests)
		r.Requests = requests
	}
	return containers
}

// requests are what one pod asks for.
func requests(t *corev1.PodTemplateSpec) predictor.Resources {
	var r predictor.Resources
	for name, q := range PodRequests(t) {
		switch {
		case name == corev1.ResourceCPU:
			r.CPUCores = amount(q.AsApproximateFloat64())
		case name == corev1.ResourceMemory:
			r.Memory = predictor.Bytes(max(q.Value(), 0))
		case isGPU(name):
			r.GPUs = amount(r.GPUs + q.AsApproximateFloat64())
		}
	}
	return r
}

// amount brings a number of cores or GPUs into the vocabulary's range.
func amount(x float64) float64 { return min(max(x, 0), predictor.MaxCores) }

// reader reads annotations and remembers what it could not read.
type reader struct {
	job      *batchv1.Job
	problems []Problem
}

func (r *reader) problem(field, value, expected string) {
	r.problems = append(r.problems, Problem{field, value, expected})
}

// annotation is the Job's own, else its template's.
func (r *reader) annotation(name string) string {
	if v, ok := r.job.Annotations[name]; ok {
		return text(v)
	}
	return text(r.job.Spec.Template.Annotations[name])
}

// duration reads a Go duration.
func (r *reader) duration(field, value string) time.Duration {
	if value == "" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d > predictor.MaxDuration {
		r.problem(field, value, "a Go duration of more than 0 such as 1h30m")
		return 0
	}
	return d
}

// whole reads a whole number of units, "seconds" or "minutes".
func (r *reader) whole(field, value, units string) time.Duration {
	if value == "" {
		return 0
	}
	unit := time.Second
	if units == "minutes" {
		unit = time.Minute
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 || n > int64(predictor.MaxDuration/unit) {
		r.problem(field, value, "a whole number of "+units+", more than 0")
		return 0
	}
	return time.Duration(n) * unit
}

// bytes reads an amount of memory.
func (r *reader) bytes(field, value string) predictor.Bytes {
	if value == "" {
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 || n > int64(predictor.MaxMemory) {
		r.problem(field, value, "a whole number of bytes, more than 0, at most 1 PiB")
		return 0
	}
	return predictor.Bytes(n)
}

// expectation is the first one that is set; it kills nothing.
func (r *reader) expectation() time.Duration {
	for _, name := range []string{AnnotationExpectedRuntime, kaiExpectedRuntime} {
		if d := r.duration("metadata.annotations["+name+"]", r.annotation(name)); d > 0 {
			return d
		}
	}
	return r.whole("metadata.annotations["+chronosExpectedSeconds+"]", r.annotation(chronosExpectedSeconds), "seconds")
}

// limit is the smallest kill limit, zero if there is none.
func (r *reader) limit() time.Duration {
	limits := []time.Duration{
		seconds(r.job.Spec.ActiveDeadlineSeconds),
		seconds(r.job.Spec.Template.Spec.ActiveDeadlineSeconds),
		r.whole("metadata.labels["+kueueMaxExecSeconds+"]", r.job.Labels[kueueMaxExecSeconds], "seconds"),
		r.whole("metadata.annotations["+provisioningMaxSeconds+"]", r.annotation(provisioningMaxSeconds), "seconds"),
		r.whole("metadata.annotations["+slurmTimeLimitMinutes+"]", r.annotation(slurmTimeLimitMinutes), "minutes"),
	}
	limits = slices.DeleteFunc(limits, func(d time.Duration) bool { return d <= 0 })
	if len(limits) == 0 {
		return 0
	}
	return slices.Min(limits)
}

func seconds(s *int64) time.Duration {
	if s == nil || *s <= 0 {
		return 0
	}
	return time.Duration(min(*s, int64(predictor.MaxDuration/time.Second))) * time.Second
}

// features are the declared inputs, of the template and of the Job, which wins.
func (r *reader) features() map[string]predictor.Feature {
	declared := map[string]string{}
	maps.Copy(declared, r.job.Spec.Template.Annotations)
	maps.Copy(declared, r.job.Annotations)
	var out map[string]predictor.Feature
	for _, key := range slices.Sorted(maps.Keys(declared)) {
		name, ok := strings.CutPrefix(key, FeaturePrefix)
		if !ok || declared[key] == "" {
			continue
		}
		if name == "" || len(name) > maxFeatureName || !utf8.ValidString(name) {
			r.problem("metadata.annotations["+key+"]", declared[key], "named in 1 to 256 bytes of UTF-8")
			continue
		}
		if len(out) == predictor.MaxFeatures {
			r.problem("metadata.annotations["+key+"]", declared[key], fmt.Sprintf("among the first %d inputs", predictor.MaxFeatures))
			break
		}
		if out == nil {
			out = map[string]predictor.Feature{}
		}
		out[name] = predictor.ParseFeature(text(declared[key]))
	}
	return out
}

// Deadline reads by when the job should have ended; zero if it does not say.
func Deadline(job *batchv1.Job) (time.Time, []Problem) { return instant(job, AnnotationDeadline) }

// EarliestStart reads when the job may start at the earliest; zero if at once.
func EarliestStart(job *batchv1.Job) (time.Time, []Problem) {
	return instant(job, AnnotationEarliestStart)
}

// A RightSize says what is done with the memory that a Job's pods are predicted to need.
type RightSize string

// The values of the annotation; Recommend where there is none.
const (
	Off       RightSize = "off"       // nothing
	Recommend RightSize = "recommend" // the Job is told in an annotation
	Apply     RightSize = "apply"     // its pods ask for it
)

// RightSizeOf reads what the user wants done.
func RightSizeOf(job *batchv1.Job) (RightSize, []Problem) {
	r := reader{job: job}
	v := RightSize(r.annotation(AnnotationRightSize))
	switch v {
	case Off, Recommend, Apply:
		return v, nil
	case "":
	default:
		r.problem("metadata.annotations["+AnnotationRightSize+"]", string(v), "off, recommend or apply")
	}
	return Recommend, r.problems
}

func instant(job *batchv1.Job, name string) (time.Time, []Problem) {
	r := reader{job: job}
	v := r.annotation(name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		r.problem("metadata.annotations["+name+"]", v, "a time in RFC 3339 such as 2026-01-31T18:00:00Z")
	}
	return t.UTC(), r.problems
}

// text cuts s to what the vocabulary accepts, at a rune's boundary.
func text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= predictor.MaxTextLength {
		return s
	}
	s = s[:predictor.MaxTextLength]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
