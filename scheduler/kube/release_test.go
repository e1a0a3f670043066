package kube

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// preferred lists what the Job's pods prefer: the names of nodes, or keys of labels.
func preferred(j *batchv1.Job) []string {
	var names []string
	if a := j.Spec.Template.Spec.Affinity; a != nil {
		for _, t := range a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			for _, f := range t.Preference.MatchFields {
				names = append(names, f.Values...)
			}
			for _, e := range t.Preference.MatchExpressions {
				names = append(names, e.Key)
			}
		}
	}
	return names
}

// Pods prefer the nodes that the plan counts on, beside what their user prefers.
func TestReleasePrefersNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"), testNode(t, "n2", "cpu=2"))
		_, stop := runLoop(t, s, nil, Config{})
		defer stop()
		gang := testJob(t, "gang", "cpu=1")
		three := int32(3)
		gang.Spec.Parallelism, gang.Spec.Completions = &three, &three
		gang.Spec.Template.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 100, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpExists}},
			}}},
		}}
		s.create(t, gang)
		check := func(want ...string) {
			t.Helper()
			time.Sleep(time.Second)
			if got := preferred(s.job(t, "gang")); suspended(s.job(t, "gang")) || !slices.Equal(got, want) {
				t.Errorf("suspended %t, prefers %v; want it released with %v", suspended(s.job(t, "gang")), got, want)
			}
		}
		suspend := func(j *batchv1.Job) {
			yes, one := true, int32(1)
			j.Spec.Suspend, j.Spec.Parallelism, j.Spec.Completions = &yes, &one, &one
		}
		check("disk", "n1", "n2")
		s.updateJob(t, "gang", suspend)
		check("disk", "n1") // in place of those of the first release
		s.startJob(t, "gang", "n1")
		s.endPods(t, "gang")
		s.create(t, testJob(t, "other", "cpu=1"))
		time.Sleep(time.Second)
		s.updateJob(t, "gang", suspend) // with a start time: the affinity may be immutable
		check("disk", "n1")
	})
}

// A Job whose release was refused is released without a preference: that may have
// been the reason.
func TestRefusedReleasePrefersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"))
		_, stop := runLoop(t, s, nil, Config{})
		defer stop()
		s.refuse("a")
		s.create(t, testJob(t, "a", "cpu=1"))
		time.Sleep(time.Second / 2)
		s.refuse("")
		time.Sleep(10 * time.Second)
		if j := s.job(t, "a"); suspended(j) || len(preferred(j)) > 0 {
			t.Errorf("suspended %t, prefers %v", suspended(j), preferred(j))
		}
	})
}

// No answer is no refusal: once the API server answers, the Job is released as planned,
// with a preference for nodes.
func TestUnansweredReleaseIsNotRefused(t *testing.T) {
	busy := apierrors.NewTooManyRequests("try again", 1)
	for name, err := range map[string]error{"no connection": errors.New("connection reset"), "too busy": busy} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newAPIServer(t)
				s.create(t, testNode(t, "n1", "cpu=1"))
				l, stop := runLoop(t, s, nil, Config{})
				defer stop()
				s.fail("patch jobs", err)
				s.create(t, testJob(t, "a", "cpu=1"))
				time.Sleep(time.Minute)
				waiting, queueErr := l.Waiting(t.Context(), "")
				if queueErr != nil || len(waiting) == 1 && strings.Contains(waiting[0].Decision, "refused") {
					t.Errorf("waiting %v, error %v", waiting, queueErr)
				}
				s.fail("patch jobs", nil)
				time.Sleep(time.Second)
				if j := s.job(t, "a"); suspended(j) || !slices.Equal(preferred(j), []string{"n1"}) {
					t.Errorf("suspended %t, prefers %v", suspended(j), preferred(j))
				}
			})
		})
	}
}
