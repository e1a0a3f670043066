package jobspec_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// job is a Job of one container without requests, changed by each of edits.
func job(edits ...func(*batchv1.Job)) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ml", Name: "train", CreationTimestamp: metav1.NewTime(created),
		Annotations: map[string]string{}, Labels: map[string]string{},
	}}
	j.Spec.Template.Annotations = map[string]string{}
	j.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "main", Image: "train:7", Command: []string{"python", "train.py"}, Args: []string{"--epochs", "3"},
	}}
	for _, edit := range edits {
		edit(j)
	}
	return j
}

func annotate(pairs ...string) func(*batchv1.Job) {
	return func(j *batchv1.Job) {
		for i := 0; i < len(pairs); i += 2 {
			j.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

func label(pairs ...string) func(*batchv1.Job) {
	return func(j *batchv1.Job) {
		for i := 0; i < len(pairs); i += 2 {
			j.Labels[pairs[i]] = pairs[i+1]
		}
	}
}

func requests(container int, pairs ...string) func(*batchv1.Job) {
	return func(j *batchv1.Job) {
		list := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		j.Spec.Template.Spec.Containers[container].Resources.Requests = list
	}
}

// TestFromJob lists what each field of a Job contributes to the bare job's spec.
func TestFromJob(t *testing.T) {
	bare := predictor.JobSpec{
		Submitted: created, Namespace: "ml", Name: "train", Pods: 1,
		Image: "train:7", Command: "python train.py --epochs 3",
	}
	for _, c := range []struct {
		name     string
		job      *batchv1.Job
		priority int32
		want     func(*predictor.JobSpec)
		problems []string // fields
	}{
		{name: "bare", job: job()},
		{name: "no container", job: job(func(j *batchv1.Job) { j.Spec.Template.Spec.Containers = nil }),
			want: func(s *predictor.JobSpec) { s.Image, s.Command = "", "" }},
		{name: "main container by annotation", job: job(func(j *batchv1.Job) {
			j.Spec.Template.Annotations["kubectl.kubernetes.io/default-container"] = "work"
			j.Spec.Template.Spec.Containers = append(j.Spec.Template.Spec.Containers, corev1.Container{Name: "work", Image: "work:1"})
		}), want: func(s *predictor.JobSpec) { s.Image, s.Command = "work:1", "" }},
		{name: "priority", job: job(), priority: -7, want: func(s *predictor.JobSpec) { s.Priority = -7 }},
		{name: "queue", job: job(label("runcast.dev/queue-name", "research", "kueue.x-k8s.io/queue-name", "other")),
			want: func(s *predictor.JobSpec) { s.Queue = "research" }},
		{name: "queue of kueue", job: job(label("kueue.x-k8s.io/queue-name", "other")),
			want: func(s *predictor.JobSpec) { s.Queue = "other" }},
		{name: "owner", job: job(func(j *batchv1.Job) {
			yes := true
			j.OwnerReferences = []metav1.OwnerReference{{Kind: "Note", Name: "x"}, {Kind: "CronJob", Name: "nightly", Controller: &yes}}
		}), want: func(s *predictor.JobSpec) { s.Owner = "CronJob/nightly" }},
		{name: "user and family; the job wins over its template", job: job(
			annotate("runcast.dev/user", "ada"),
			func(j *batchv1.Job) {
				j.Spec.Template.Annotations["runcast.dev/user"] = "bob"
				j.Spec.Template.Annotations["runcast.dev/job-family"] = "resnet"
			}), want: func(s *predictor.JobSpec) { s.User, s.Family = "ada", "resnet" }},
		{name: "gang", job: job(func(j *batchv1.Job) { j.Spec.Parallelism = new(int32(8)) }),
			want: func(s *predictor.JobSpec) { s.Pods = 8 }},
		{name: "gang no larger than completions", job: job(func(j *batchv1.Job) {
			j.Spec.Parallelism, j.Spec.Completions = new(int32(8)), new(int32(3))
		}), want: func(s *predictor.JobSpec) { s.Pods = 3 }},
		{name: "gang of nothing", job: job(func(j *batchv1.Job) { j.Spec.Parallelism = new(int32(0)) })},
		{name: "gang too large", job: job(func(j *batchv1.Job) { j.Spec.Parallelism = new(int32(2_000_000)) }),
			want: func(s *predictor.JobSpec) { s.Pods = 1_000_000 }, problems: []string{"spec.parallelism"}},
		{name: "requests of all containers", job: job(
			func(j *batchv1.Job) {
				j.Spec.Template.Spec.Containers = append(j.Spec.Template.Spec.Containers, corev1.Container{Name: "log"})
			},
			requests(0, "cpu", "1500m", "memory", "2Gi", "nvidia.com/gpu", "2"), requests(1, "cpu", "500m", "memory", "1Gi")),
			want: func(s *predictor.JobSpec) {
				s.Requests = predictor.Resources{CPUCores: 2, Memory: 3 * predictor.GiB, GPUs: 2}
			}},
		{name: "a large init container", job: job(requests(0, "memory", "1Gi"), func(j *batchv1.Job) {
			j.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "fetch", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"memory": resource.MustParse("5Gi")},
			}}}
		}), want: func(s *predictor.JobSpec) { s.Requests.Memory = 5 * predictor.GiB }},
		{name: "slices of a GPU count as GPUs", job: job(requests(0, "nvidia.com/mig-1g.5gb", "3", "example.com/nic", "9")),
			want: func(s *predictor.JobSpec) { s.Requests.GPUs = 3 }},
		{name: "absurd requests", job: job(requests(0, "cpu", "9e9", "memory", "2Pi", "nvidia.com/gpu", "9e8", "amd.com/gpu", "9e8")),
			want:     func(s *predictor.JobSpec) { s.Requests = predictor.Resources{CPUCores: 1e6, GPUs: 1e6} },
			problems: []string{"spec.template.spec resources.requests.memory"}},
		{name: "negative requests", job: job(requests(0, "cpu", "-1", "memory", "-1Gi", "nvidia.com/gpu", "-1"))},
		{name: "hardware", job: job(func(j *batchv1.Job) {
			j.Spec.Template.Spec.NodeSelector = map[string]string{"nvidia.com/gpu.product": "A100", "node.kubernetes.io/instance-type": "p4d"}
		}), want: func(s *predictor.JobSpec) { s.GPUModel, s.NodeType = "A100", "p4d" }},
		{name: "expected runtime", job: job(annotate("runcast.dev/expected-runtime", "1h30m", "kai.scheduler/expected-runtime", "5m")),
			want: func(s *predictor.JobSpec) { s.ExpectedRuntime = 90 * time.Minute }},
		{name: "expected runtime of others, past one that is malformed", job: job(annotate("runcast.dev/expected-runtime", "soon",
			"kai.scheduler/expected-runtime", "-5m", "scheduling.workload.io/expected-duration-seconds", "90")),
			want: func(s *predictor.JobSpec) { s.ExpectedRuntime = 90 * time.Second },
			problems: []string{"metadata.annotations[runcast.dev/expected-runtime]",
				"metadata.annotations[kai.scheduler/expected-runtime]"}},
		{name: "the smallest kill limit", job: job(label("kueue.x-k8s.io/max-exec-time-seconds", "7200"),
			annotate("slurmjob.slinky.slurm.net/timelimit", "90", "provreq.kueue.x-k8s.io/maxRunDurationSeconds", "6000"),
			func(j *batchv1.Job) { j.Spec.ActiveDeadlineSeconds = new(int64(86400)) }),
			want: func(s *predictor.JobSpec) { s.RuntimeLimit = 90 * time.Minute }},
		{name: "the pod's kill limit", job: job(func(j *batchv1.Job) { j.Spec.Template.Spec.ActiveDeadlineSeconds = new(int64(60)) }),
			want: func(s *predictor.JobSpec) { s.RuntimeLimit = time.Minute }},
		{name: "a limit beyond every calendar", job: job(func(j *batchv1.Job) { j.Spec.ActiveDeadlineSeconds = new(int64(1 << 62)) }),
			want: func(s *predictor.JobSpec) { s.RuntimeLimit = predictor.MaxDuration }},
		// −9223372036854775 × 10⁹ ns wraps to a positive duration.
		{name: "numbers that overflow when multiplied", job: job(label("kueue.x-k8s.io/max-exec-time-seconds", "-9223372036854775"),
			annotate("slurmjob.slinky.slurm.net/timelimit", "9223372036854775807")),
			problems: []string{"metadata.labels[kueue.x-k8s.io/max-exec-time-seconds]", "metadata.annotations[slurmjob.slinky.slurm.net/timelimit]"}},
		{name: "declared inputs", job: job(annotate("feature.runcast.dev/epochs", "3", "feature.runcast.dev/model", "resnet",
			"feature.runcast.dev/empty", "", "feature.runcast.dev/rate", "NaN", "feature.runcast.dev/build", "007"),
			func(j *batchv1.Job) {
				j.Spec.Template.Annotations["feature.runcast.dev/epochs"] = "9"
				j.Spec.Template.Annotations["feature.runcast.dev/bytes"] = "1e9"
			}),
			want: func(s *predictor.JobSpec) {
				s.Features = map[string]predictor.Feature{
					"epochs": {Number: 3}, "bytes": {Number: 1e9}, "model": {Text: "resnet"}, "rate": {Text: "NaN"}, "build": {Text: "007"},
				}
			}},
		{name: "an input without a name", job: job(annotate("feature.runcast.dev/", "1")),
			problems: []string{"metadata.annotations[feature.runcast.dev/]"}},
		{name: "text beyond the vocabulary's length is cut at a rune", job: job(func(j *batchv1.Job) {
			j.Spec.Template.Spec.Containers[0].Args = []string{strings.Repeat("é", 16<<10)}
		}), want: func(s *predictor.JobSpec) {
			s.Command = "python train.py " + strings.Repeat("é", (16<<10-len("python train.py "))/2)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := bare
			if c.want != nil {
				c.want(&want)
			}
			got, problems := jobspec.FromJob(c.job, c.priority)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			var fields []string
			for _, p := range problems {
				fields = append(fields, p.Field)
			}
			if diff := cmp.Diff(c.problems, fields); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTooManyFeatures(t *testing.T) {
	j := job()
	for i := range predictor.MaxFeatures + 1 {
		annotate(fmt.Sprintf("feature.runcast.dev/f%03d", i), "1")(j)
	}
	got, problems := jobspec.FromJob(j, 0)
	if len(got.Features) != predictor.MaxFeatures || len(problems) != 1 {
		t.Errorf("%d features and problems %v, want %d and one", len(got.Features), problems, predictor.MaxFeatures)
	}
}

func TestInstants(t *testing.T) {
	j := job(annotate("runcast.dev/deadline", "2026-03-02T18:00:00+02:00", "runcast.dev/earliest-start", "tomorrow"))
	if got, problems := jobspec.Deadline(j); !got.Equal(created.Add(28*time.Hour)) || problems != nil {
		t.Errorf("Deadline = %v, %v", got, problems)
	}
	got, problems := jobspec.EarliestStart(j)
	if !got.IsZero() || len(problems) != 1 {
		t.Errorf("EarliestStart = %v, %v; want none and a problem", got, problems)
	}
	want := `metadata.annotations[runcast.dev/earliest-start]: "tomorrow" is not a time in RFC 3339 such as 2026-01-31T18:00:00Z`
	if len(problems) == 1 && problems[0].Error() != want {
		t.Errorf("problem = %q, want %q", problems[0].Error(), want)
	}
}

// FuzzFromJob puts any text where a user may put one: nothing panics, and what is
// read satisfies the vocabulary.
func FuzzFromJob(f *testing.F) {
	f.Add("runcast.dev/expected-runtime", "1h", "60", int64(5), "1Gi", int32(4))
	f.Add("feature.runcast.dev/\xff", "\xff", "-9223372036854775808", int64(-1), "-1", int32(-1))
	f.Add("slurmjob.slinky.slurm.net/timelimit", "153722867280912931", "9e9", int64(1<<62), "1e18", int32(1<<30))
	f.Fuzz(func(t *testing.T, key, value, number string, deadline int64, quantity string, n int32) {
		j := job(annotate(key, value, "scheduling.workload.io/expected-duration-seconds", number),
			label("runcast.dev/queue-name", value, "kueue.x-k8s.io/max-exec-time-seconds", number))
		j.Spec.ActiveDeadlineSeconds, j.Spec.Parallelism = &deadline, &n
		j.Spec.Template.Annotations[key] = number
		j.Spec.Template.Spec.Containers[0].Image = value
		j.Spec.Template.Spec.NodeSelector = map[string]string{"nvidia.com/gpu.product": value}
		if q, err := resource.ParseQuantity(quantity); err == nil {
			j.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": q, "memory": q, "nvidia.com/gpu": q}
		}
		s, _ := jobspec.FromJob(j, n)
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		jobspec.Deadline(j)
		jobspec.EarliestStart(j)
	})
}

func TestRightSizeOf(t *testing.T) {
	for value, want := range map[string]jobspec.RightSize{"": jobspec.Recommend, "off": jobspec.Off, "recommend": jobspec.Recommend, "apply": jobspec.Apply, "Apply": jobspec.Recommend} {
		j := &batchv1.Job{}
		if value != "" {
			j.Annotations = map[string]string{jobspec.AnnotationRightSize: value}
		}
		got, problems := jobspec.RightSizeOf(j)
		if got != want || (len(problems) > 0) != (value == "Apply") {
			t.Errorf("%q: %s, %v; want %s", value, got, problems, want)
		}
	}
}

// A Job that was resized is known by what its user asked for.
func TestUserMemory(t *testing.T) {
	for value, want := range map[string]predictor.Bytes{"": predictor.GiB, "8589934592": 8 * predictor.GiB, "8Gi": predictor.GiB, "-1": predictor.GiB} {
		j := &batchv1.Job{}
		j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "a", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		}}}
		if value != "" {
			j.Annotations = map[string]string{jobspec.AnnotationUserMemory: value}
		}
		spec, problems := jobspec.FromJob(j, 0)
		if spec.Requests.Memory != want || (len(problems) > 0) != (value == "8Gi" || value == "-1") {
			t.Errorf("%q: %s, %v; want %s", value, spec.Requests.Memory, problems, want)
		}
	}
}
