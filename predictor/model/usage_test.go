package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// What jobs of a kind were measured to use is what the next one is said to use.
func TestUsage(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 1))
	var records []predictor.JobRecord
	for i := range 400 {
		at := start.Add(time.Duration(i) * time.Hour)
		kind := float64(1 + i%2)
		cpu := kind * 2 * 600 * 3 // two cores on the mean of three pods, for ten minutes
		gpu := min(0.3*kind*math.Exp(random.NormFloat64()/10), 1)
		r := predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: fmt.Sprint(i), User: "ada", Name: fmt.Sprint("kind-", i%2, "x"), Pods: 3, Submitted: at},
			Started: at, Finished: at.Add(10 * time.Minute), Outcome: predictor.Succeeded,
			Usage: predictor.Usage{CPUSeconds: &cpu, GPUUtilization: &gpu, PeakGPUMemory: predictor.GiB << int(kind), GPUShared: i%5 == 0},
		}
		if r.GPUShared { // what another pod did
			*r.GPUUtilization, r.PeakGPUMemory = 1, 80*predictor.GiB
		}
		records = append(records, r)
	}
	m := learned(records)
	for i := range 2 {
		kind := 1 + i
		s := records[len(records)-2+i].JobSpec
		e := m.Estimate(&s)
		if want := predictor.Exactly(predictor.MilliOf(float64(2 * kind))); e.PeakCPU != want {
			t.Errorf("%s: CPU %v, want %v", s.Name, e.PeakCPU, want)
		}
		if want := predictor.Exactly(predictor.GiB << kind); e.PeakGPUMemory != want {
			t.Errorf("%s: GPU memory %v, want %v", s.Name, e.PeakGPUMemory, want)
		}
		if got, want := e.GPUUtilization.P50.Float64(), 0.3*float64(kind); math.Abs(got-want) > 0.05*want {
			t.Errorf("%s: GPU utilization %v, want about %g", s.Name, e.GPUUtilization, want)
		}
		if e.GPUUtilization.P90 <= e.GPUUtilization.P50 || e.GPUUtilization.P99 > 1000 {
			t.Errorf("%s: GPU utilization %v", s.Name, e.GPUUtilization)
		}
		if !e.PeakMemory.IsZero() {
			t.Errorf("%s: memory, which was not measured, is %v", s.Name, e.PeakMemory)
		}
	}
}
