package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// Reasons of Events beside the verdicts'.
const (
	reasonPredicted = "Predicted"
	reasonResized   = "Resized"
	reasonMalformed = "Malformed" // Warning: a field of the Job could not be read and is ignored
)

// maxNote is the longest note of an Event that the API server accepts, in bytes.
const maxNote = 1024

// herald emits the Events on Jobs.
type herald struct {
	recorder events.EventRecorder

	mu         sync.Mutex
	complaints map[types.UID]string // last said, so that it is said once
}

// newHerald starts sending Events; they stop with ctx.
func newHerald(ctx context.Context, client kubernetes.Interface) (*herald, error) {
	b := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := b.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	context.AfterFunc(ctx, b.Shutdown)
	return &herald{
		recorder:   b.NewRecorder(scheme.Scheme, "runcast-scheduler"),
		complaints: map[types.UID]string{},
	}, nil
}

func (h *herald) predicted(job *batchv1.Job, e predictor.Estimate) {
	h.recorder.Eventf(job, nil, corev1.EventTypeNormal, reasonPredicted, "Predict", "%s", predictionText(e))
}

func (h *herald) resized(job *batchv1.Job, s *size, e predictor.Estimate) {
	h.recorder.Eventf(job, nil, corev1.EventTypeNormal, reasonResized, "Release", "%s; predicted from %d runs", s, e.Samples)
}

func (h *herald) decided(job *batchv1.Job, v scheduler.Verdict, reason string) {
	h.recorder.Eventf(job, nil, corev1.EventTypeNormal, string(v), "Plan", "%s", reason)
}

// complain warns, once, of what could not be read of the Job. It is one Event:
// client-go takes several with the same reason for repetitions of the first.
func (h *herald) complain(job *batchv1.Job, problems []jobspec.Problem) {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Error()
	}
	text := fmt.Sprintf("Job %s: ignored %s", fullName(job), strings.Join(texts, "; "))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.complaints[job.UID] == text {
		return
	}
	h.complaints[job.UID] = text
	h.recorder.Eventf(job, nil, corev1.EventTypeWarning, reasonMalformed, "Read", "%s", strings.ToValidUTF8(text[:min(len(text), maxNote)], ""))
}

// keep forgets the Jobs that are not live.
func (h *herald) keep(live map[types.UID]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for uid := range h.complaints {
		if !live[uid] {
			delete(h.complaints, uid)
		}
	}
}
