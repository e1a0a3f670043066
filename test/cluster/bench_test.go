//go:build e2e

package cluster

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
)

// BenchmarkCluster tells how much of a measured time is the test cluster's own:
//
//	go test -tags e2e -run '^$' -bench . -benchtime 10x ./test/cluster
func BenchmarkCluster(b *testing.B) {
	c := startCluster(b)
	if err := c.AddNodes(b.Context(), Node{Name: "n1", CPUs: 64, Memory: "256Gi"}, Node{Name: "n2", CPUs: 64, Memory: "256Gi"}); err != nil {
		b.Fatal(err)
	}
	jobs := 0
	b.Run("job", func(b *testing.B) {
		var toRunning, toComplete time.Duration
		for b.Loop() {
			name := fmt.Sprintf("job-%d", jobs)
			jobs++
			job := newJob(name, map[string]string{"runtime": "1s"})
			job.Spec.Suspend = new(true)
			create(b, c, job)
			released := time.Now()
			suspend(b, c, name, false)
			pod := waitForPod(b, c, name)
			toRunning += time.Since(released)
			waitForJob(b, c, name, batchv1.JobComplete)
			r, err := newRunning(pod)
			if err != nil {
				b.Fatal(err)
			}
			toComplete += time.Since(r.started.Add(r.runtime))
		}
		b.ReportMetric(float64(toRunning.Milliseconds())/float64(b.N), "ms-release-to-running")
		b.ReportMetric(float64(toComplete.Milliseconds())/float64(b.N), "ms-end-to-complete")
	})
	b.Run("idle", func(b *testing.B) {
		const step = 3 * time.Second
		before := cpu(b, c)
		for b.Loop() {
			time.Sleep(step) // what is measured is that nothing happens
		}
		watched := time.Duration(b.N) * step
		used := map[string]float64{}
		var sum float64
		for name, after := range cpu(b, c) {
			used[name] = (after - before[name]).Seconds() / watched.Seconds() * 100
			sum += used[name]
		}
		for _, p := range c.processes() {
			b.Logf("%-24s %5.1f %% of a core", p.name, used[p.name])
		}
		b.ReportMetric(sum, "%-of-a-core")
	})
}

// cpu is the time each program has used, from the fields utime and stime of proc(5), in ticks of 10 ms.
func cpu(b *testing.B, c *Cluster) map[string]time.Duration {
	used := map[string]time.Duration{}
	for _, p := range c.processes() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.run.cmd.Process.Pid))
		if err != nil {
			b.Fatal(err)
		}
		text := string(stat)
		fields := strings.Fields(text[strings.LastIndex(text, ")")+1:]) // from the third on
		for _, field := range fields[11:13] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			used[p.name] += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return used
}
