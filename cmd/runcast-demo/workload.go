package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor"
)

// A kind of job recurs: one team's pipeline or experiment. Runtimes and peaks are
// lognormal around a median that may grow with an input that the job's name tells.
type kind struct {
	namespace, user string
	owner           string // CronJob; empty for jobs that people start
	name            string // of the job, before the input and the generated suffix
	image           string
	pods            int
	requests        predictor.Resources // one pod's
	node            string              // value of the node label "pool"

	every  time.Duration // period of a CronJob
	perDay float64       // mean number of starts on a working day, for people
	burst  int           // jobs a start: a sweep submits many at once

	inputs    []float64 // choices of the input in the name, such as epochs; nil for none
	inputName string
	runtime   time.Duration // median, at input 1 if there are inputs
	spread    float64       // sigma of the logarithm
	peak      predictor.Bytes
	gpuUse    float64 // mean utilization
	fails     float64 // share that fails early
	oom       float64 // share killed for memory
}

// kinds is the made-up cluster's work: many short jobs, few long ones that hold
// most of the GPU hours, requests that people guessed too high.
var kinds = []kind{
	{namespace: "data", user: "airflow", owner: "ingest-events", name: "ingest-events", image: "registry/data/ingest:4.2", pods: 1, requests: predictor.Resources{CPUCores: 4, Memory: 16 * predictor.GiB}, node: "cpu",
		every: time.Hour, runtime: 11 * time.Minute, spread: 0.15, peak: 5 * predictor.GiB, fails: 0.02},
	{namespace: "data", user: "airflow", owner: "nightly-features", name: "nightly-features", image: "registry/data/features:2.11", pods: 4, requests: predictor.Resources{CPUCores: 8, Memory: 64 * predictor.GiB}, node: "cpu",
		every: 24 * time.Hour, runtime: 105 * time.Minute, spread: 0.12, peak: 41 * predictor.GiB, fails: 0.03, oom: 0.03},
	{namespace: "data", user: "airflow", owner: "compact-tables", name: "compact-tables", image: "registry/data/compact:1.9", pods: 1, requests: predictor.Resources{CPUCores: 16, Memory: 96 * predictor.GiB}, node: "cpu",
		every: 6 * time.Hour, runtime: 38 * time.Minute, spread: 0.3, peak: 22 * predictor.GiB, fails: 0.02},
	{namespace: "ci", user: "ci-bot", name: "test-unit", image: "registry/ci/runner:2026.10", pods: 1, requests: predictor.Resources{CPUCores: 4, Memory: 8 * predictor.GiB}, node: "cpu",
		perDay: 34, burst: 1, runtime: 6 * time.Minute, spread: 0.25, peak: 3 * predictor.GiB, fails: 0.15},
	{namespace: "ci", user: "ci-bot", name: "test-gpu-kernels", image: "registry/ci/cuda:2026.10", pods: 1, requests: predictor.Resources{CPUCores: 8, Memory: 32 * predictor.GiB, GPUs: 1}, node: "gpu",
		perDay: 16, burst: 1, runtime: 14 * time.Minute, spread: 0.2, peak: 9 * predictor.GiB, gpuUse: 0.35, fails: 0.12},
	{namespace: "vision", user: "maria", name: "train-resnet", image: "registry/vision/train:1.4", pods: 1, requests: predictor.Resources{CPUCores: 48, Memory: 256 * predictor.GiB, GPUs: 4}, node: "gpu",
		perDay: 3, burst: 1, inputs: []float64{10, 30, 90}, inputName: "ep", runtime: 3 * time.Minute, spread: 0.1, peak: 71 * predictor.GiB, gpuUse: 0.88, fails: 0.12, oom: 0.02},
	{namespace: "vision", user: "maria", name: "sweep-augment", image: "registry/vision/train:1.4", pods: 1, requests: predictor.Resources{CPUCores: 12, Memory: 64 * predictor.GiB, GPUs: 1}, node: "gpu",
		perDay: 0.7, burst: 12, inputs: []float64{5, 10}, inputName: "ep", runtime: 4 * time.Minute, spread: 0.2, peak: 18 * predictor.GiB, gpuUse: 0.74, fails: 0.08},
	{namespace: "vision", user: "chen", name: "eval-detector", image: "registry/vision/eval:0.9", pods: 1, requests: predictor.Resources{CPUCores: 8, Memory: 48 * predictor.GiB, GPUs: 1}, node: "gpu",
		perDay: 11, burst: 2, runtime: 7 * time.Minute, spread: 0.35, peak: 12 * predictor.GiB, gpuUse: 0.61, fails: 0.05},
	{namespace: "nlp", user: "okafor", name: "finetune-llm", image: "registry/nlp/finetune:3.0", pods: 1, requests: predictor.Resources{CPUCores: 96, Memory: 640 * predictor.GiB, GPUs: 8}, node: "gpu",
		perDay: 1.6, burst: 1, inputs: []float64{1, 2, 3}, inputName: "ep", runtime: 125 * time.Minute, spread: 0.18, peak: 310 * predictor.GiB, gpuUse: 0.93, fails: 0.15, oom: 0.04},
	{namespace: "nlp", user: "okafor", name: "pretrain-shard", image: "registry/nlp/pretrain:3.0", pods: 2, requests: predictor.Resources{CPUCores: 96, Memory: 640 * predictor.GiB, GPUs: 8}, node: "gpu",
		perDay: 0.5, burst: 1, runtime: 9 * time.Hour, spread: 0.3, peak: 420 * predictor.GiB, gpuUse: 0.95, fails: 0.2},
	{namespace: "nlp", user: "lind", name: "tokenize-corpus", image: "registry/nlp/tok:0.7", pods: 1, requests: predictor.Resources{CPUCores: 32, Memory: 128 * predictor.GiB}, node: "cpu",
		perDay: 4, burst: 2, inputs: []float64{10, 50, 200}, inputName: "gb", runtime: 40 * time.Second, spread: 0.15, peak: 19 * predictor.GiB, fails: 0.05, oom: 0.05},
	{namespace: "nlp", user: "lind", name: "embed-batch", image: "registry/nlp/embed:1.1", pods: 1, requests: predictor.Resources{CPUCores: 16, Memory: 96 * predictor.GiB, GPUs: 2}, node: "gpu",
		perDay: 7, burst: 2, inputs: []float64{1, 4, 16}, inputName: "m", runtime: 5 * time.Minute, spread: 0.2, peak: 27 * predictor.GiB, gpuUse: 0.8, fails: 0.06},
	{namespace: "research", user: "dubois", name: "notebook-run", image: "registry/research/py:3.14", pods: 1, requests: predictor.Resources{CPUCores: 8, Memory: 64 * predictor.GiB, GPUs: 1}, node: "gpu",
		perDay: 13, burst: 1, runtime: 16 * time.Minute, spread: 1.5, peak: 10 * predictor.GiB, gpuUse: 0.22, fails: 0.25, oom: 0.03},
}

// A job is one run of a kind: what was asked, and what will come of it.
type job struct {
	kind      *kind
	name      string
	submitted time.Time
	started   time.Time // set by the cluster's past, not by the kind
	runtime   time.Duration
	outcome   predictor.Outcome
	peak      predictor.Bytes
	cores     float64 // mean use of one pod
	gpuUse    float64
}

func (j *job) finished() time.Time { return j.started.Add(j.runtime) }

// spec is what Kubernetes and kube-state-metrics tell of the job at submission.
func (j *job) spec() predictor.JobSpec {
	s := predictor.JobSpec{
		ID: collector.JobID("", j.kind.namespace, j.name, j.submitted), Submitted: j.submitted,
		Namespace: j.kind.namespace, Name: j.name, Image: j.kind.image,
		Pods: j.kind.pods, Requests: j.kind.requests,
	}
	if j.kind.owner != "" {
		s.Owner = "CronJob/" + j.kind.owner
	}
	return s
}

// workload makes up the jobs submitted in [from, to), in order of submission; the
// same source gives the same jobs.
func workload(src *rand.Rand, from, to time.Time) []job {
	var jobs []job
	for i := range kinds {
		k := &kinds[i]
		if k.every > 0 {
			for t := from.Truncate(k.every); t.Before(to); t = t.Add(k.every) {
				if !t.Before(from) {
					jobs = append(jobs, k.job(src, t))
				}
			}
			continue
		}
		for t := from; ; {
			t = t.Add(time.Duration(src.ExpFloat64() / k.perDay * float64(24*time.Hour)))
			if !t.Before(to) {
				break
			}
			if src.Float64() > busyness(t) {
				continue
			}
			for n := range k.burst {
				jobs = append(jobs, k.job(src, t.Add(time.Duration(n)*3*time.Second)))
			}
		}
	}
	slices.SortStableFunc(jobs, func(a, b job) int {
		return cmp.Or(a.submitted.Compare(b.submitted), cmp.Compare(a.name, b.name))
	})
	return jobs
}

// busyness is how much people submit at a time of the week, at most 1.
func busyness(t time.Time) float64 {
	b := 0.35 + 0.65*math.Exp(-math.Pow(float64(t.Hour())-14, 2)/18)
	if t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		b *= 0.3
	}
	return b
}

// job draws one run, submitted at t.
func (k *kind) job(src *rand.Rand, t time.Time) job {
	t = t.Truncate(time.Second) // as the API server keeps it
	j := job{kind: k, submitted: t, outcome: predictor.Succeeded}
	input := 1.0
	switch {
	case k.owner != "":
		j.name = fmt.Sprintf("%s-%d", k.name, t.Unix()/60) // as the CronJob controller names it
	case k.inputs != nil:
		input = k.inputs[src.IntN(len(k.inputs))]
		j.name = fmt.Sprintf("%s-%s%g-%s", k.name, k.inputName, input, suffix(src))
	default:
		j.name = fmt.Sprintf("%s-%s", k.name, suffix(src))
	}
	j.runtime = time.Duration(float64(k.runtime) * input * math.Exp(k.spread*src.NormFloat64()))
	j.peak = predictor.Bytes(float64(k.peak) * math.Exp(0.06*src.NormFloat64()))
	j.cores = k.requests.CPUCores * (0.35 + 0.4*src.Float64())
	j.gpuUse = min(1, max(0, k.gpuUse*(1+0.1*src.NormFloat64())))
	switch u := src.Float64(); {
	case u < k.fails:
		j.outcome = predictor.Failed
		j.runtime = time.Duration(float64(j.runtime) * 0.3 * src.Float64())
	case u < k.fails+k.oom:
		j.outcome = predictor.OOMKilled
		j.runtime = time.Duration(float64(j.runtime) * (0.3 + 0.5*src.Float64()))
		j.peak = k.requests.Memory
	}
	j.runtime = max(j.runtime, 20*time.Second).Truncate(time.Second)
	j.peak = min(j.peak, k.requests.Memory)
	return j
}

// suffix is what generateName appends.
func suffix(src *rand.Rand) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[src.IntN(len(letters))]
	}
	return string(b)
}
