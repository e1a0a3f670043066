package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/runcast/runcast/predictor/jobspec"
)

// fieldOwner names Runcast in managedFields.
const fieldOwner = "runcast-scheduler"

// callTimeout bounds one call of the API server.
const callTimeout = 5 * time.Second

// A releaser carries out the decisions that start jobs.
type releaser struct {
	client  kubernetes.Interface
	assumed *assumptions
	herald  *herald
	metrics *metrics
	log     *slog.Logger
	limit   int // releases at the same time
}

// all releases jobs, in order as far as the API server keeps it, and returns when
// the fate of each is known or in doubt, with the number that was released. It
// returns early when ctx ends.
func (r *releaser) all(ctx context.Context, jobs []outcome) int {
	var released atomic.Int64
	var g errgroup.Group
	g.SetLimit(r.limit)
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if r.one(ctx, j) {
				released.Add(1)
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return int(released.Load())
}

// one releases a Job and reports whether it is certain to have done so.
func (r *releaser) one(ctx context.Context, j outcome) bool {
	annotations := j.annotations()
	first := j.from == fromModel && !j.predicted()
	if first {
		maps.Copy(annotations, jobspec.Annotations(j.estimate))
	}
	if j.size != nil {
		maps.Copy(annotations, j.size.annotations())
	}
	made, err := patchJob(ctx, r.client, j.job, releasePatch(j.job, j.hint(), j.size, annotations))
	if err != nil {
		r.metrics.apiErrors.WithLabelValues(callRelease).Inc()
		r.settle(ctx, j.job, err)
		return false
	}
	r.assumed.released(made)
	r.metrics.releases.WithLabelValues(string(j.verdict)).Inc()
	r.log.Info("released", "job", fullName(j.job), "verdict", string(j.verdict), "reason", j.reason,
		"runtime_p50", j.estimate.Runtime.P50, "runtime_from", j.from)
	if first {
		r.herald.predicted(j.job, j.estimate)
	}
	if j.size != nil {
		pods := float64(gang(j.job))
		r.metrics.resized.WithLabelValues(requestOfUser).Add(pods * float64(j.facts.request[memory]))
		r.metrics.resized.WithLabelValues(requestReleased).Add(pods * float64(j.size.request[memory]))
		r.herald.resized(j.job, j.size, j.estimate)
	}
	r.herald.decided(j.job, j.verdict, j.reason)
	return true
}

// maxHint bounds how many nodes a Job is told to prefer: each costs kube-scheduler
// a look for every pod and node, and so many leave little to choose.
const maxHint = 64

// hint is the nodes that the Job's pods are to prefer. There is none if it might
// be in the way: the node affinity of a Job that has been started before could not
// be changed until Kubernetes 1.36, and whoever refused its release once may have
// done so because of it.
func (j outcome) hint() []string {
	nodes := slices.Compact(slices.Clone(j.nodes))
	if j.job.Status.StartTime != nil || j.refusal.times > 0 || len(nodes) > maxHint {
		return nil
	}
	return nodes
}

// settle finds out what came of a release that returned err, or whose outcome has
// been in doubt since (err is nil): the answer to a patch may be lost, and a
// refusal may mean that somebody was faster. It reports whether it could.
func (r *releaser) settle(ctx context.Context, job *batchv1.Job, err error) bool {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	live, getErr := r.client.BatchV1().Jobs(job.Namespace).Get(call, job.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(getErr), getErr == nil && live.UID != job.UID:
		r.assumed.drop(job.UID)
	case getErr == nil && !suspended(live):
		r.assumed.released(live)
	case getErr != nil, err != nil && unanswered(err): // it may yet be carried out
		r.assumed.doubt(job)
		r.log.Warn("release in doubt", "job", fullName(job), "error", cmp.Or(err, getErr))
		return false
	case err == nil, live.ResourceVersion != job.ResourceVersion:
		// It was in doubt, or decided on an old version: plan again.
		r.assumed.drop(job.UID)
	default:
		r.assumed.refuse(job.UID, err.Error(), time.Now())
		r.log.Warn("release refused", "job", fullName(job), "error", err)
	}
	return true
}

// unanswered reports whether an error of a call leaves open what became of it, or says
// no more than that the API server is busy.
func unanswered(err error) bool {
	var answer apierrors.APIStatus
	return !errors.As(err, &answer) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

// settleDoubts settles what is in doubt, as far as the API server answers, and
// returns how many it settled.
func (r *releaser) settleDoubts(ctx context.Context) (settled int) {
	for _, job := range r.assumed.doubtful() {
		if ctx.Err() != nil || !r.settle(ctx, job, nil) {
			break
		}
		settled++
	}
	return settled
}

func patchJob(ctx context.Context, client kubernetes.Interface, job *batchv1.Job, p jsonPatch) (*batchv1.Job, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", fullName(job), err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := client.BatchV1().Jobs(job.Namespace).Patch(ctx, job.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: fieldOwner})
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", fullName(job), err)
	}
	return made, nil
}
