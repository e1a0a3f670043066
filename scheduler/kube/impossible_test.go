package kube

import (
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/runcast/runcast/predictor/jobspec"
)

// A Job that no node can ever run is told so, with what it asks for and what there
// is, and is in nobody's way.
func TestImpossibleRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=8", "gpu=4"), testNode(t, "n2", "cpu=8", "gpu=8"))
		_, stop := runPlan(t, s, nil, Config{NoticesPerSecond: 1000}, realPlan)
		defer stop()
		cases := []struct {
			name   string
			fields []string
			change func(*batchv1.Job)
			want   string
		}{
			{"gpus", []string{"cpu=1", "gpu=9"}, nil,
				"Held: cannot run here: a pod asks for 9 nvidia.com/gpu and the largest node it may use, n2, has 8 nvidia.com/gpu"},
			{"memory", []string{"memory=1Ti"}, nil,
				"Held: cannot run here: a pod asks for 1TiB memory and the largest node it may use, n1, has 64GiB memory"},
			{"device", []string{"example.com/fpga=1"}, nil,
				"Held: cannot run here: a pod asks for 1 example.com/fpga and the largest node it may use, n1, has 0 example.com/fpga"},
			{"gang", []string{"cpu=6"}, func(j *batchv1.Job) {
				three := int32(3)
				j.Spec.Parallelism, j.Spec.Completions = &three, &three
			}, "Held: cannot run here: it asks for 3 pods and the nodes it may use hold 2 of them"},
			{"selector", []string{"cpu=1"}, func(j *batchv1.Job) {
				j.Spec.Template.Spec.NodeSelector = map[string]string{"disk": "nvme"}
			}, "Held: no node may run it: none is ready and matches its node selector, affinity and tolerations"},
		}
		for _, c := range cases {
			j := testJob(t, c.name, c.fields...)
			if c.change != nil {
				c.change(j)
			}
			s.create(t, j)
		}
		time.Sleep(5 * time.Second)
		s.create(t, testJob(t, "possible", "cpu=8", "gpu=8"))
		time.Sleep(5 * time.Second)
		for _, c := range cases {
			if got := s.job(t, c.name).Annotations[jobspec.AnnotationDecision]; got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
			if s.releases("default/"+c.name) != 0 {
				t.Errorf("%s was released", c.name)
			}
		}
		if s.releases("default/possible") != 1 {
			t.Error("a job that fits was not released")
		}
	})
}
