package kube

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/runcast/runcast/predictor/jobspec"
)

// maxReview bounds the body of an AdmissionReview: an object has at most 3 MiB,
// and there may be two.
const maxReview = 8 << 20

// Webhook answers AdmissionReviews (admission.k8s.io/v1) for the creation of
// batch/v1 Jobs. A Job with a queue label is suspended, told who submitted it
// (unless it says so itself), and rid of what Runcast wrote on a Job that it copies; what
// Runcast cannot read of its annotations becomes a warning that kubectl shows.
// Jobs of others are left alone.
//
// It denies nothing: what it cannot make sense of is allowed as it is. Its
// configuration should have failurePolicy Ignore, for then Jobs run without it.
type Webhook struct{ log *slog.Logger }

// NewWebhook returns the handler; it needs TLS around it and no permissions.
func NewWebhook(log *slog.Logger) *Webhook { return &Webhook{log} }

// ServeHTTP implements http.Handler.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil {
		http.Error(w, "expected an AdmissionReview of admission.k8s.io/v1 with a request", http.StatusBadRequest)
		return
	}
	review.Response = h.admit(review.Request)
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		h.log.Warn("admission response not sent", "error", err)
	}
}

func (h *Webhook) admit(req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	resp := &admissionv1.AdmissionResponse{UID: req.UID, Allowed: true}
	if req.Operation != admissionv1.Create || req.SubResource != "" ||
		req.Kind.Group != batchv1.GroupName || req.Kind.Version != "v1" || req.Kind.Kind != "Job" {
		return resp
	}
	var job batchv1.Job
	if err := json.Unmarshal(req.Object.Raw, &job); err != nil {
		h.log.Warn("admission of a job that does not decode", "namespace", req.Namespace, "name", req.Name, "error", err)
		return resp
	}
	if !queued(&job) || disowned(&job) != "" || job.Status.StartTime != nil {
		return resp
	}
	resp.Warnings = admissionWarnings(&job)
	patch := admissionPatch(&job, req.UserInfo.Username)
	if len(patch) == 0 {
		return resp
	}
	body, err := json.Marshal(patch)
	if err != nil {
		h.log.Warn("admission patch", "namespace", req.Namespace, "name", req.Name, "error", err)
		return resp
	}
	kind := admissionv1.PatchTypeJSONPatch
	resp.Patch, resp.PatchType = body, &kind
	return resp
}

func admissionPatch(job *batchv1.Job, user string) jsonPatch {
	var p jsonPatch
	if !suspended(job) {
		p.add("add", "/spec/suspend", true)
	}
	set := map[string]string{}
	for _, name := range outputs {
		if _, copied := job.Annotations[name]; copied {
			set[name] = ""
		}
	}
	if job.Annotations[jobspec.AnnotationUser] == "" && user != "" {
		set[jobspec.AnnotationUser] = user
	}
	switch {
	case len(set) == 0:
	case len(job.Annotations) == 0: // absent or empty: nobody else changes it now
		p.add("add", "/metadata/annotations", set)
	default:
		p.annotate(job, set)
	}
	return p
}

// admissionWarnings say what is left out of the Job's annotations. The API server
// cuts long ones.
func admissionWarnings(job *batchv1.Job) []string {
	problems := jobFactsOf(job, "").problems
	warnings := make([]string, 0, len(problems))
	for _, p := range problems {
		warnings = append(warnings, p.Error()+"; ignored")
	}
	return warnings
}
