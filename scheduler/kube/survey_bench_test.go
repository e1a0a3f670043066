package kube

import (
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A large cluster: 1,000 nodes, 10,000 waiting Jobs of 100 kinds, 5,000 running
// ones of one pod each, and ten other pods on every node. "again" is the survey
// after one pod has changed, as most are; "first" is the one after a start.
func BenchmarkSurvey(b *testing.B) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := cluster{now: now}
	for n := range 1000 {
		node := testNode(b, fmt.Sprintf("n%04d", n), "cpu=64", "gpu=8")
		node.Labels["pool"] = fmt.Sprint(n % 100)
		c.nodes = append(c.nodes, node)
		for i := range 10 {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(fmt.Sprintf("d%d-%d", n, i))}, Spec: *testJob(b, "", "cpu=100m").Spec.Template.Spec.DeepCopy()}
			p.Spec.NodeName = node.Name
			c.pods = append(c.pods, p)
		}
	}
	no, yes := false, true
	for i := range 15000 {
		j := testJob(b, fmt.Sprintf("j%05d", i), "cpu=2", "memory=4Gi", "gpu=1")
		j.UID, j.CreationTimestamp = types.UID(j.Name), metav1.NewTime(now)
		j.Spec.Template.Spec.NodeSelector = map[string]string{"pool": fmt.Sprint(i % 100)}
		if i >= 10000 {
			j.Spec.Suspend = &no
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID("p" + j.Name),
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", UID: j.UID, Controller: &yes}}}, Spec: *j.Spec.Template.Spec.DeepCopy()}
			p.Spec.NodeName = c.nodes[i%1000].Name
			c.pods = append(c.pods, p)
		}
		c.jobs = append(c.jobs, j)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			newSurveyor(b).survey(c)
		}
	})
	b.Run("again", func(b *testing.B) {
		s := newSurveyor(b)
		s.survey(c)
		for b.Loop() {
			c.pods[0] = c.pods[0].DeepCopy()
			if got := s.survey(c); len(got.Pending) != countWaiting(c.jobs) {
				b.Fatal(len(got.Pending))
			}
		}
	})
}

func countWaiting(jobs []*batchv1.Job) (n int) {
	for _, j := range jobs {
		if standingOf(j) == waiting {
			n++
		}
	}
	return n
}
