package kube

import (
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// A notice is what a Job is told of the plan, on its annotations.
type notice struct {
	verdict    scheduler.Verdict
	reason     string
	start, end time.Time // forecasts, p50; zero if none can be foreseen
	reserved   time.Time // the start of its reservation, p90; zero if it has none
}

// told reads the last notice from the Job; the zero notice if there is none.
func told(job *batchv1.Job) notice {
	var n notice
	if verdict, reason, ok := strings.Cut(job.Annotations[jobspec.AnnotationDecision], ": "); ok {
		n.verdict, n.reason = scheduler.Verdict(verdict), reason
	}
	n.start = parseTime(job.Annotations[jobspec.AnnotationStart])
	n.end = parseTime(job.Annotations[jobspec.AnnotationEnd])
	n.reserved = parseTime(job.Annotations[jobspec.AnnotationReserved])
	return n
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// text is the decision as people read it.
func (n notice) text() string { return string(n.verdict) + ": " + n.reason }

// annotations are the inverse of told. An empty value removes the annotation.
func (n notice) annotations() map[string]string {
	return map[string]string{
		jobspec.AnnotationDecision: n.text(),
		jobspec.AnnotationStart:    formatTime(n.start),
		jobspec.AnnotationEnd:      formatTime(n.end),
		jobspec.AnnotationReserved: formatTime(n.reserved),
	}
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// differs reports whether n tells something that last does not. Forecasts move
// with every plan, and so do the reasons that cite them; that alone is not news
// until a forecast is off by 30 seconds and by a tenth of the time until then. A
// reservation is a promise: that it is taken back, be it by a second, is news at once.
func (n notice) differs(last notice, now time.Time) bool {
	return n.verdict != last.verdict ||
		n.start.IsZero() && n.reason != last.reason ||
		moved(last.start, n.start, now) || moved(last.end, n.end, now) || moved(last.reserved, n.reserved, now) ||
		!last.reserved.IsZero() && n.reserved.Sub(last.reserved) >= time.Second
}

func moved(from, to, now time.Time) bool {
	if from.IsZero() || to.IsZero() {
		return from.IsZero() != to.IsZero()
	}
	return to.Sub(from).Abs() > max(30*time.Second, to.Sub(now)/10)
}

// predictionText is the note of the Event Predicted.
func predictionText(e predictor.Estimate) string {
	text := fmt.Sprintf("runtime %s (p50), %s (p90)", e.Runtime.P50.Round(time.Second), e.Runtime.P90.Round(time.Second))
	if !e.PeakMemory.IsZero() {
		text += fmt.Sprintf(", memory %s (p50), %s (p90)", e.PeakMemory.P50, e.PeakMemory.P90)
	}
	return fmt.Sprintf("%s; from %d runs of %s", text, e.Samples, e.Source)
}
