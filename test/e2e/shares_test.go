//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sharesByWeight lets two queues of weights 3 and 1 want all GPUs, the lighter one first:
// while both have jobs that wait, the GPU time that their pods were served stands 3 to 1,
// from when what the lighter one had started alone has ended.
// Beside them waits a job that no node can run: an autoscaler is told of it.
func sharesByWeight(w *world, src *rand.Rand) {
	evals := func(n int) []run { return runsOf(src, func(k *kind) int { return n * btoi(k.name == "eval") }) }
	right, left := evals(40), evals(40)
	giant := &run{kind: &kind{name: "giant", gpus: 16}, name: "giant-" + suffix(src)}
	w.create(right, "queued", "queued", "right")
	w.create(append(left[:len(left):len(left)], *giant), "queued", "queued", "left")

	released := func(runs []run) (n int) {
		for i := range runs {
			n += w.resumed["queued/"+runs[i].name]
		}
		return n
	}
	w.await("half of the heavier queue to be released", time.Minute, func() bool { return released(left) > len(left)/2 })
	w.checkLoad()
	w.await("all of the heavier queue to be released", 2*time.Minute, func() bool { return released(left) == len(left) })
	w.mu.Lock()
	ahead := released(right) < len(right)
	w.mu.Unlock()
	if !ahead {
		w.Errorf("the lighter queue was released as soon as the heavier one")
	}
	if err := w.Client().BatchV1().Jobs("queued").Delete(w.ctx, giant.name, metav1.DeleteOptions{}); err != nil {
		w.Error(err)
	}
	w.await("both queues to end", 2*time.Minute, func() bool { return w.allOver("queued", left) && w.allOver("queued", right) })

	ran := w.spans("queued")
	var first, to time.Time // the heavier queue has jobs that wait and jobs that run
	for i := range left {
		if s := ran[left[i].name]; first.IsZero() || s.start.Before(first) {
			first = s.start
		}
		if s := ran[left[i].name]; s.start.After(to) {
			to = s.start
		}
	}
	from := first // once what the lighter queue had started alone has ended
	for i := range right {
		if s := ran[right[i].name]; !s.start.After(first) && s.end.After(from) {
			from = s.end
		}
	}
	if !from.Before(to) {
		w.Fatalf("the heavier queue waited until %v, what the lighter one had started alone ran until %v", to, from)
	}
	served := func(runs []run) (sum time.Duration) {
		for i := range runs {
			sum += ran[runs[i].name].within(from, to) * time.Duration(runs[i].kind.gpus)
		}
		return sum
	}
	l, r := served(left), served(right)
	share := l.Seconds() / (l + r).Seconds()
	w.Logf("shares: for %v both queues had jobs that waited; of the GPU time %.1f %% went to weight 3 and %.1f %% to weight 1, %.1f %% of the GPUs worked",
		to.Sub(from), 100*share, 100*(1-share), 100*(l+r).Seconds()/to.Sub(from).Seconds()/32)
	// Of 16 places for such jobs 12 are the heavier queue's, and each queue keeps the
	// reservation of its next job, whoever is ahead: that costs one place, and chance another.
	if share < 0.6 || share > 0.85 {
		w.Errorf("the queue of weight 3 got %.1f %% of the GPU time, want 75 %%", 100*share)
	}
}

// checkLoad asks a scheduler what both queues have.
func (w *world) checkLoad() {
	w.Helper()
	w.poll("the queues' shares", 20*time.Second, func() error {
		var load struct {
			Queues []struct {
				Queue, Resource string
				Weight, Share   float64
				Waiting         int
			}
			Unserved []struct {
				Pods    int
				Request map[string]float64
			}
		}
		w.runcast(&load, "queue", "--shares", "--server", w.address[w.leader()])
		shares := map[string]float64{}
		for _, q := range load.Queues {
			want := map[string]float64{"left": 3, "right": 1, "gpu": 1}[q.Queue]
			if q.Weight != want {
				w.Errorf("queue %s has weight %v, want %v", q.Queue, q.Weight, want)
			}
			if q.Queue != "gpu" && q.Waiting > 0 && q.Resource == "nvidia.com/gpu" {
				shares[q.Queue] = q.Share
			}
		}
		// A share is of all nodes, and two thirds of them are other pools'.
		if l, r := shares["left"], shares["right"]; l < 0.2 || l > 0.3 || r < 0.03 || r > 0.14 {
			return fmt.Errorf("of all GPUs left has %v and right %v, want 0.25 and 0.083", l, r)
		}
		if u := load.Unserved; len(u) != 1 || u[0].Pods != 1 || u[0].Request["nvidia.com/gpu"] != 16 {
			return fmt.Errorf("unserved is %+v, want one pod of 16 GPUs", u)
		}
		return nil
	})
	w.poll("the metric of the unserved demand", 5*time.Second, func() error {
		gpus, err := w.metric(w.leader(), `runcast_scheduler_unserved_requests{resource="nvidia.com/gpu"}`)
		if err == nil && gpus != 16 {
			err = fmt.Errorf("it is %v, want 16", gpus)
		}
		return err
	})
}

// A span is when a pod ran.
type span struct{ start, end time.Time }

// within is for how long it ran between two times.
func (s span) within(from, to time.Time) time.Duration {
	if s.start.After(from) {
		from = s.start
	}
	if s.end.Before(to) {
		to = s.end
	}
	return max(to.Sub(from), 0)
}

// spans are when the pods of Jobs ran as their status tells, by the Job's name.
func (w *world) spans(namespace string) map[string]span {
	w.Helper()
	pods, err := w.Client().CoreV1().Pods(namespace).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	ran := map[string]span{}
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			if end := c.State.Terminated; end != nil {
				ran[p.Labels["job-name"]] = span{end.StartedAt.Time, end.FinishedAt.Time}
			}
		}
	}
	return ran
}
