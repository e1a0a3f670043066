package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/runcast/runcast/predictor"
)

// scrapeInterval is Prometheus' default. kubelets and kube-state-metrics would be
// scraped at it; so are these made-up ones.
const scrapeInterval = time.Minute

// ttl is how long a finished Job's object, and so its series, stay.
const ttl = 20 * time.Minute

// A series is what an exporter shows of one job between from and to.
type series struct {
	labels   labels.Labels
	from, to time.Time
	value    func(t time.Time) float64
	ref      storage.SeriesRef
}

// expose writes what kube-state-metrics, cAdvisor and dcgm-exporter would have
// shown of the jobs, scrape by scrape, and a staleness marker where a series ends.
// It returns the number of samples.
func expose(ctx context.Context, db storage.Appendable, jobs []job, from, to time.Time) (int, error) {
	var all []series
	for i := range jobs {
		all = append(all, lifecycle(&jobs[i])...)
		all = append(all, usage(&jobs[i])...)
	}
	slices.SortStableFunc(all, func(a, b series) int { return a.from.Compare(b.from) })

	var active []*series
	next, samples := 0, 0
	for t := from; t.Before(to); t = t.Add(scrapeInterval) {
		if err := ctx.Err(); err != nil {
			return samples, err
		}
		for ; next < len(all) && !all[next].from.After(t); next++ {
			active = append(active, &all[next])
		}
		app := db.Appender(ctx)
		keep := active[:0]
		for _, s := range active {
			v := math.Float64frombits(value.StaleNaN)
			if !t.After(s.to) {
				v = s.value(t)
				keep = append(keep, s)
			} else if s.ref == 0 {
				continue // came and went between two scrapes
			}
			ref, err := app.Append(s.ref, s.labels, t.UnixMilli(), v)
			if err != nil {
				return samples, fmt.Errorf("append %s: %w", s.labels, err)
			}
			s.ref = ref
			samples++
		}
		active = keep
		if err := app.Commit(); err != nil {
			return samples, fmt.Errorf("commit scrape at %s: %w", t, err)
		}
	}
	return samples, nil
}

// metric makes labels from a name and pairs of label and value.
func metric(name string, pairs ...string) labels.Labels {
	return labels.FromStrings(append([]string{model.MetricNameLabel, name}, pairs...)...)
}

func constant(v float64) func(time.Time) float64 { return func(time.Time) float64 { return v } }

// lifecycle is what kube-state-metrics shows of a Job and its pods.
func lifecycle(j *job) []series {
	var out []series
	ksm := []string{"job", "kube-state-metrics", "instance", "ksm-0", "namespace", j.kind.namespace}
	end := j.finished()
	gone := end.Add(ttl)
	show := func(from time.Time, v float64, name string, pairs ...string) {
		out = append(out, series{labels: metric(name, append(slices.Clone(ksm), pairs...)...), from: from, to: gone, value: constant(v)})
	}
	unix := func(t time.Time) float64 { return float64(t.Unix()) }

	show(j.submitted, unix(j.submitted), "kube_job_created", "job_name", j.name)
	show(j.started, unix(j.started), "kube_job_status_start_time", "job_name", j.name)
	if j.kind.owner != "" {
		show(j.submitted, 1, "kube_job_owner", "job_name", j.name, "owner_kind", "CronJob", "owner_name", j.kind.owner, "owner_is_controller", "true")
	}
	if j.outcome == predictor.Succeeded {
		show(end, unix(end), "kube_job_status_completion_time", "job_name", j.name)
		show(end, 1, "kube_job_complete", "job_name", j.name, "condition", "true")
	} else {
		show(end, 1, "kube_job_failed", "job_name", j.name, "condition", "true")
		show(end, 1, "kube_job_status_failed", "job_name", j.name, "reason", "BackoffLimitExceeded")
	}
	for rank := range j.kind.pods {
		pod := []string{"pod", podName(j, rank), "uid", podName(j, rank)}
		show(j.started, 1, "kube_pod_owner", append(pod, "owner_kind", "Job", "owner_name", j.name, "owner_is_controller", "true")...)
		show(j.started, 1, "kube_pod_info", append(pod, "node", j.kind.node)...)
		show(j.started, unix(j.started), "kube_pod_created", pod...)
		show(j.started, unix(j.started), "kube_pod_status_scheduled_time", pod...)
		show(end, unix(end), "kube_pod_completion_time", pod...)
		main := append(pod, "container", "main")
		show(j.started, 1, "kube_pod_container_info", append(main, "image_spec", j.kind.image, "image", j.kind.image, "container_id", "containerd://"+podName(j, rank))...)
		for _, r := range []struct {
			resource, unit string
			amount         float64
		}{{"cpu", "core", j.kind.requests.CPUCores}, {"memory", "byte", float64(j.kind.requests.Memory)}, {"nvidia_com_gpu", "integer", j.kind.requests.GPUs}} {
			if r.amount > 0 {
				show(j.started, r.amount, "kube_pod_container_resource_requests", append(main, "node", j.kind.node, "resource", r.resource, "unit", r.unit)...)
			}
		}
		if j.outcome == predictor.OOMKilled {
			show(end, 1, "kube_pod_container_status_terminated_reason", append(main, "reason", "OOMKilled")...)
		}
	}
	return out
}

// usage is what cAdvisor and dcgm-exporter show while the pods run.
func usage(j *job) []series {
	var out []series
	end := j.finished()
	show := func(value func(time.Time) float64, name string, pairs ...string) {
		out = append(out, series{labels: metric(name, pairs...), from: j.started, to: end, value: value})
	}
	for rank := range j.kind.pods {
		pod := podName(j, rank)
		cgroup := []string{"job", "kubelet", "namespace", j.kind.namespace, "pod", pod, "container", "main", "id", "/kubepods/" + pod, "image", j.kind.image}
		show(j.workingSet, "container_memory_working_set_bytes", cgroup...)
		show(func(t time.Time) float64 { return 1.1 * j.workingSet(t) }, "container_memory_max_usage_bytes", cgroup...)
		show(func(t time.Time) float64 { return 0.1 * j.workingSet(t) }, "container_memory_cache", cgroup...)
		show(func(t time.Time) float64 { return j.cores * t.Sub(j.started).Seconds() }, "container_cpu_usage_seconds_total", append(cgroup, "cpu", "total")...)
		for gpu := range int(j.kind.requests.GPUs) {
			// honor_labels is off in dcgm-exporter's chart, hence exported_pod.
			dcgm := []string{"job", "dcgm-exporter", "namespace", "gpu-operator", "pod", "dcgm-exporter", "exported_namespace", j.kind.namespace, "exported_pod", pod, "exported_container", "main", "UUID", "GPU-" + pod + strconv.Itoa(gpu), "gpu", strconv.Itoa(gpu)}
			show(constant(100*j.gpuUse), "DCGM_FI_DEV_GPU_UTIL", dcgm...)
			show(constant(0.4*80*1024+300*float64(gpu)), "DCGM_FI_DEV_FB_USED", dcgm...)
		}
	}
	return out
}

func podName(j *job, rank int) string { return fmt.Sprintf("%s-%d", j.name, rank) }

// workingSet climbs to the peak over the first fifth of the run and stays there.
func (j *job) workingSet(t time.Time) float64 {
	done := t.Sub(j.started).Seconds() / max(j.runtime.Seconds(), 1)
	return float64(j.peak) * min(1, 0.3+3.5*done)
}
