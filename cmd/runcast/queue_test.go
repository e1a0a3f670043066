package main

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
)

func TestPrintLoad(t *testing.T) {
	load := predictor.QueueLoad{
		Shares: []predictor.QueueShare{
			{Queue: "ml", Weight: 3, Share: 0.7512, Resource: "nvidia.com/gpu", Running: 6, Waiting: 20},
			{Queue: "web", Weight: 0.5, Waiting: 1},
		},
		Unserved: []predictor.Demand{{Pods: 4, Request: map[string]float64{"cpu": 0.5, "memory": 16 << 30, "nvidia.com/gpu": 16}}},
	}
	for _, c := range []struct {
		asJSON bool
		want   string
	}{
		{false, `QUEUE  WEIGHT  SHARE  OF              RUNNING  WAITING
ml     3       75.1%  nvidia.com/gpu  6        20
web    0.5     0.0%                   0        1
no node can run 4 pods of 0.5 cpu, 16GiB memory, 16 nvidia.com/gpu
`},
		{true, `{
  "queues": [
    {
      "queue": "ml",
      "weight": 3,
      "share": 0.7512,
      "resource": "nvidia.com/gpu",
      "running": 6,
      "waiting": 20
    },
    {
      "queue": "web",
      "weight": 0.5,
      "share": 0,
      "running": 0,
      "waiting": 1
    }
  ],
  "unserved": [
    {
      "pods": 4,
      "request": {
        "cpu": 0.5,
        "memory": 17179869184,
        "nvidia.com/gpu": 16
      }
    }
  ]
}
`},
	} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		if err := printLoad(cmd, load, c.asJSON); err != nil || out.String() != c.want {
			t.Errorf("%v\ngot\n%swant\n%s", err, &out, c.want)
		}
	}
}
