package sim

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
	"github.com/runcast/runcast/scheduler"
)

// The studies are benchmarks on public logs, one for each claim: what they report are
// the figures that the documentation speaks of. `go test -run '^$' -bench Study
// ./scheduler/sim` runs them all; they skip where there are no logs.

// learner is the real model, which learns from each job when it ends.
type learner struct{ model *model.Model }

func learning() Predictor { return &learner{model.New(1)} }

func (l *learner) Estimate(j *Job) (predictor.Estimate, error) {
	return l.model.Estimate(&j.JobSpec), nil
}

func (l *learner) Remaining(j *Job, _ *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	return l.model.Remaining(&j.JobSpec, elapsed, 0), nil
}

func (l *learner) Observe(r *predictor.JobRecord) error {
	l.model.Observe(*r)
	return nil
}

// named is a predictor that NewPredictor knows.
func named(name string) func() Predictor {
	return func() Predictor {
		p, err := NewPredictor(name, 1)
		if err != nil {
			panic(err)
		}
		return p
	}
}

// study runs a simulation as a benchmark, and reports what it came to: mean flow time and
// mean wait in seconds, and what else is asked for.
func study(b *testing.B, name string, c Config, p func() Predictor, more func(*testing.B, *Result)) (r Result) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			c.Predictor = p()
			var err error
			if r, err = Run(c); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(r.MeanFlow, "flow-s")
		b.ReportMetric(r.MeanWait, "wait-s")
		if more != nil {
			more(b, &r)
		}
	})
	return r
}

// offered is how many nodes of a kind the jobs keep busy, of their scarcest resource,
// while they come, if each starts at once: what they do after the last has come does not
// count.
func offered(b *testing.B, jobs []Job, node NodeGroup) float64 {
	b.Helper()
	last := jobs[len(jobs)-1].Submitted
	one := nodes(b, node)
	work := make([]float64, len(one.resources))
	for i := range jobs {
		request, pods := one.request(&jobs[i].JobSpec)
		for r, q := range request {
			work[r] += float64(q) * float64(pods) * min(jobs[i].Runtime, last.Sub(jobs[i].Submitted)).Seconds()
		}
	}
	span := last.Sub(jobs[0].Submitted).Seconds()
	most := 0.0
	for r, c := range one.total() {
		if c > 0 {
			most = max(most, work[r]/span/float64(c))
		}
	}
	return most
}

// BenchmarkStudyRightSizing plays jobs that ask for more memory than they take, on nodes
// whose memory their requests fill: as they are, with what the model says they need, and
// with what they will need. A job that was given too little is killed at the end of its
// run. Greedy starts whatever fits, so that only the sizes matter; runcast orders too.
func BenchmarkStudyRightSizing(b *testing.B) {
	for _, log := range []struct {
		name, file string
		jobs       int
		node       NodeGroup
	}{
		{"tesseract", "tesseract-kinc-gemmaker.csv.gz", 0, NodeGroup{CPUCores: 64, Memory: 128 * predictor.GiB}},
		{"lanl", "LANL-CM5-first-60pct.swf.gz", 6_000, NodeGroup{CPUCores: 64, Memory: 300 * predictor.MiB}},
	} {
		b.Run(log.name, func(b *testing.B) {
			jobs := slices.DeleteFunc(traceJobs(b, log.file), func(j Job) bool {
				return j.PeakMemory == 0 || j.Requests.Memory < j.PeakMemory // who took more would have been killed
			})
			if log.jobs > 0 {
				jobs = jobs[:log.jobs]
			}
			log.node.Count = int(math.Ceil(offered(b, jobs, log.node) / 0.9))
			cluster := nodes(b, log.node)
			for _, policy := range []string{"greedy", "runcast"} {
				c := Config{Cluster: cluster, Jobs: jobs, Policy: policy, Plan: withoutForecast()}
				asked := study(b, policy+"/as-asked", c, learning, nil)
				c.RightSize = true
				best := study(b, policy+"/perfect", c, func() Predictor { return knowingSizes{learning()} }, nil)
				study(b, policy+"/estimated", c, learning, func(b *testing.B, r *Result) {
					b.ReportMetric(100*(asked.MeanFlow-r.MeanFlow)/(asked.MeanFlow-best.MeanFlow), "%-of-gain")
					b.ReportMetric(100*float64(r.Retried)/float64(r.Jobs), "%-killed")
				})
			}
		})
	}
}

// knowingSizes knows every peak, and of runtimes what another predictor does.
type knowingSizes struct{ Predictor }

func (k knowingSizes) Estimate(j *Job) (predictor.Estimate, error) {
	e, err := k.Predictor.Estimate(j)
	e.PeakMemory, e.MemoryRequest, e.Cold = predictor.Quantiles[predictor.Bytes]{}, j.PeakMemory, false
	return e, err
}

func withoutForecast() scheduler.Policy {
	p := scheduler.DefaultPolicy()
	p.ForecastEffort = 0
	return p
}

// BenchmarkStudyGPUs plays a log of GPU jobs, copied and paced so that they ask for 90 %
// of 200 nodes of 8 GPUs, among jobs without GPUs from another log, whose cores are made
// up. Jobs of more than 8 GPUs become gangs of whole nodes. Placement is the plan's, small
// pods to nodes in use for as long and large ones to roomy ones, or packing or spreading alone.
func BenchmarkStudyGPUs(b *testing.B) {
	const (
		count, copies, days = 200, 3, 8
		coresPerGPU         = 6
	)
	node := NodeGroup{Name: "gpu", CPUCores: 64, Memory: 512 * predictor.GiB, GPUs: 8}
	philly := traceJobs(b, "philly-first-60pct.csv.gz")
	_, philly = Since(philly, philly[0].Submitted.AddDate(0, 0, 20)) // before, hardly anything came
	rest, _ := Since(philly, philly[0].Submitted.AddDate(0, 0, days))
	span := rest[len(rest)-1].Submitted.Sub(rest[0].Submitted)
	var jobs []Job
	for k := range copies {
		for _, j := range rest { // each copy begins at another time, and belongs to others
			at := (j.Submitted.Sub(rest[0].Submitted) + time.Duration(k)*span/copies) % span
			j.Submitted = rest[0].Submitted.Add(at)
			j.ID, j.Queue = fmt.Sprint(j.ID, "-", k), fmt.Sprint(j.Queue, "-", k)
			j.Pods = int(math.Ceil(j.Requests.GPUs / node.GPUs))
			j.Requests.GPUs = math.Ceil(j.Requests.GPUs / float64(j.Pods))
			j.Requests.CPUCores = coresPerGPU * j.Requests.GPUs
			jobs = append(jobs, j)
		}
	}
	sortBySubmission(jobs)
	for range 20 { // the faster they come, the less of long ones counts
		pace := offered(b, jobs, NodeGroup{GPUs: node.GPUs}) / (0.9 * count)
		for i := range jobs {
			jobs[i].Submitted = rest[0].Submitted.Add(time.Duration(pace * float64(jobs[i].Submitted.Sub(rest[0].Submitted))))
		}
	}
	end := jobs[len(jobs)-1].Submitted
	google := traceJobs(b, "google-2011-days-01-14.csv.gz")
	for i := 0; i < len(google); i += 16 {
		j := google[i]
		j.Submitted = rest[0].Submitted.Add(j.Submitted.Sub(google[0].Submitted))
		j.Requests.CPUCores = float64(int(1) << (hash(j.User+j.Name) % 6))
		if j.Submitted.Before(end) {
			jobs = append(jobs, j)
		}
	}
	sortBySubmission(jobs)
	node.Count = count
	c := Config{Cluster: nodes(b, node), Jobs: jobs, Policy: "runcast", Plan: withoutForecast()}
	gpus := func(b *testing.B, r *Result) {
		b.ReportMetric(r.P95Wait, "p95-wait-s")
		var busy, wide, wait float64
		for _, e := range r.Schedule {
			until := e.End
			if until.After(end) {
				until = end
			}
			if e.Job.Requests.GPUs > 0 && e.Start.Before(end) {
				busy += until.Sub(e.Start).Seconds() * e.Job.Requests.GPUs * float64(e.Job.Gang())
			}
			if e.Job.Requests.GPUs == node.GPUs {
				wide, wait = wide+1, wait+e.Wait().Seconds()
			}
		}
		b.ReportMetric(100*busy/end.Sub(rest[0].Submitted).Seconds()/(count*node.GPUs), "%-of-GPUs")
		b.ReportMetric(wait/wide, "8-GPU-wait-s")
		b.ReportMetric(wholeNodes(r.Schedule, count, rest[0].Submitted, end), "whole-nodes")
	}
	b.Logf("%d jobs in %v", len(jobs), end.Sub(rest[0].Submitted))
	for _, large := range []struct {
		name  string
		share float64
	}{{"by-ends-and-roomy", c.Plan.LargeShare}, {"packing", 2}, {"spreading", 0}} {
		c.Plan.LargeShare = large.share
		study(b, "noise:0.5/"+large.name, c, named("noise:0.5"), gpus)
	}
	c.Plan = withoutForecast()
	study(b, "runcast", c, func() Predictor { return &patient{learning(), map[*Job]answer{}} }, gpus)
	for _, policy := range []string{"greedy", "easy", "fcfs"} {
		c.Policy = policy
		study(b, policy, c, named("request"), gpus)
	}
}

// wholeNodes is how many of n nodes no job has any GPU of, on average between two times.
func wholeNodes(schedule []Execution, n int, from, to time.Time) float64 {
	byStart := slices.SortedFunc(slices.Values(schedule), func(a, b Execution) int { return a.Start.Compare(b.Start) })
	taken := make([]time.Time, n) // until when
	for i := range taken {
		taken[i] = from
	}
	var whole time.Duration
	for _, e := range byStart {
		if e.Job.Requests.GPUs == 0 || !e.Start.Before(to) {
			continue
		}
		for _, node := range e.Nodes {
			whole += max(e.Start.Sub(taken[node]), 0)
			if e.End.After(taken[node]) {
				taken[node] = e.End
			}
		}
	}
	for _, t := range taken {
		whole += max(to.Sub(t), 0)
	}
	return whole.Seconds() / to.Sub(from).Seconds()
}

// BenchmarkStudyDeadlines gives every fifth job a deadline, some times its runtime limit
// after its submission, in four draws of which, and counts those that are missed, and how
// long the others take from submission to end. Of a job without room nothing was free at
// its submission, nor became free in time, even if from then on it alone had started. EDF
// is earliest deadline first with one reservation and backfill; jobs without a deadline
// come after those with one.
func BenchmarkStudyDeadlines(b *testing.B) {
	const draws, count = 4, 8000
	byDeadline := func(x, y *task) int {
		if x.Deadline.IsZero() != y.Deadline.IsZero() {
			return cmp.Compare(y.Deadline.Unix(), x.Deadline.Unix()) // none is before all
		}
		return cmp.Or(x.Deadline.Compare(y.Deadline), bySubmission(x, y))
	}
	patiently := func() Predictor { return &patient{learning(), map[*Job]answer{}} }
	edf := &listed{head: byDeadline, tail: byDeadline, block: true}
	for _, mix := range []struct {
		name, file  string
		from, procs int
		least, most float64 // runtime limits from submission to deadline
	}{
		{"kth", "KTH-SP2-1996-2.1-cln.swf.gz", 0, 100, 1.2, 4},
		{"kth-tight", "KTH-SP2-1996-2.1-cln.swf.gz", 0, 100, 1.05, 2},
		{"kth-loose", "KTH-SP2-1996-2.1-cln.swf.gz", 0, 100, 2, 8},
		{"kth-8000", "KTH-SP2-1996-2.1-cln.swf.gz", 8_000, 100, 1.2, 4},
		{"kth-16000", "KTH-SP2-1996-2.1-cln.swf.gz", 16_000, 100, 1.2, 4},
		{"lanl", "LANL-CM5-first-60pct.swf.gz", 0, 1024, 1.2, 4},
		{"lanl-20000", "LANL-CM5-first-60pct.swf.gz", 20_000, 1024, 1.2, 4},
		{"lanl-40000", "LANL-CM5-first-60pct.swf.gz", 40_000, 1024, 1.2, 4},
	} {
		jobs := traceJobs(b, mix.file)[mix.from:][:count]
		for _, c := range []struct {
			name, policy string
			order        dispatcher // if it is none of Policies
			told         bool       // of the deadlines
			source       func() Predictor
		}{
			{"easy", "easy", nil, true, named("request")},
			{"edf", "easy", edf, true, named("request")},
			{"runcast", "runcast", nil, true, patiently},
			{"runcast-oracle", "runcast", nil, true, named("oracle")},
			{"runcast-without-deadlines", "runcast", nil, false, patiently},
		} {
			b.Run(mix.name+"/"+c.name, func(b *testing.B) {
				var late, roomless, due, flow, others float64
				for b.Loop() {
					late, roomless, due, flow, others = 0, 0, 0, 0, 0
					for draw := range uint64(draws) {
						rng := rand.New(rand.NewPCG(1, 20+draw))
						deadlines := make([]time.Time, len(jobs))
						with := slices.Clone(jobs)
						for i := range with {
							if j := &with[i]; rng.IntN(5) == 0 && j.RuntimeLimit > 0 {
								deadlines[i] = j.Submitted.Add(time.Duration((mix.least + (mix.most-mix.least)*rng.Float64()) * float64(j.RuntimeLimit)))
								if c.told {
									j.Deadline = deadlines[i]
								}
							}
						}
						r, err := newRun(Config{Cluster: Processors(mix.procs), Jobs: with, Policy: c.policy, Predictor: c.source(), Plan: withoutForecast()})
						if err != nil {
							b.Fatal(err)
						}
						if c.order != nil {
							r.policy = c.order
						}
						if err := r.play(); err != nil {
							b.Fatal(err)
						}
						for i, t := range r.tasks { // all jobs fit
							if deadlines[i].IsZero() {
								others, flow = others+1, flow+(t.end-t.submitted).Seconds()
								continue
							}
							due++
							if by := deadlines[i].Sub(r.begin); t.end > by {
								late++
								if !r.roomFor(t, by-t.Runtime) {
									roomless++
								}
							}
						}
					}
				}
				b.ReportMetric(100*late/due, "%-missed")
				b.ReportMetric(100*roomless/due, "%-without-room")
				b.ReportMetric(flow/others, "others-flow-s")
			})
		}
	}
}

// roomFor tells whether t could have started at a time, or before, if nothing had started
// since its submission.
func (r *run) roomFor(t *task, at time.Duration) bool {
	free := r.Cluster.processors - t.units
	for _, other := range r.tasks {
		if other.start < t.submitted && other.end > at {
			free -= other.units
		}
	}
	return free >= 0
}

// BenchmarkStudyReplay replays the year of KTH-SP2.
func BenchmarkStudyReplay(b *testing.B) {
	jobs := traceJobs(b, "KTH-SP2-1996-2.1-cln.swf.gz")
	c := Config{Cluster: Processors(100), Jobs: jobs, Policy: "easy"}
	study(b, "easy/request", c, named("request"), nil)
	c.Policy = "runcast"
	study(b, "runcast/runcast", c, learning, func(b *testing.B, r *Result) {
		b.ReportMetric(100*r.ETA.CoverageP50, "%-ended-by-p50")
		b.ReportMetric(100*r.ETA.CoverageP90, "%-ended-by-p90")
		b.ReportMetric(r.ETA.MedianAbsoluteError, "end-error-s")
		b.ReportMetric(100*r.ETA.Start.CoverageP50, "%-begun-by-p50")
		b.ReportMetric(100*r.ETA.Start.CoverageP90, "%-begun-by-p90")
		b.ReportMetric(r.ETA.Start.MedianAbsoluteError, "start-error-s")
	})
}

// patient asks another predictor about a running job only once it has run for a tenth
// longer than when it last asked: with a thousand jobs running that is what a study can
// afford.
type patient struct {
	Predictor
	last map[*Job]answer
}

type answer struct {
	elapsed time.Duration
	rest    predictor.Quantiles[time.Duration]
}

func (p *patient) Remaining(j *Job, e *predictor.Estimate, elapsed time.Duration) (predictor.Quantiles[time.Duration], error) {
	a, ok := p.last[j]
	if !ok || elapsed > a.elapsed+a.elapsed/10+time.Second {
		rest, err := p.Predictor.Remaining(j, e, elapsed)
		if err != nil {
			return rest, err
		}
		a = answer{elapsed, rest}
		p.last[j] = a
	}
	return a.rest.Map(func(d time.Duration) time.Duration { return max(d-(elapsed-a.elapsed), time.Second) }), nil
}
