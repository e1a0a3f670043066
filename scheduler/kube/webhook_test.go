package kube

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

func review(t testing.TB, job *batchv1.Job) *admissionv1.AdmissionReview {
	t.Helper()
	raw, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	return &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "u1", Operation: admissionv1.Create,
			Kind:     metav1.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"},
			UserInfo: authenticationv1.UserInfo{Username: "alice"},
			Object:   runtime.RawExtension{Raw: raw},
		},
	}
}

func post(t testing.TB, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mutate", bytes.NewReader(body))
	NewWebhook(quiet()).ServeHTTP(w, r)
	return w
}

func TestWebhook(t *testing.T) {
	no, other := false, "example.com/other"
	started := metav1.Now()
	for _, c := range []struct {
		name   string
		change func(*batchv1.Job, *admissionv1.AdmissionRequest)
		want   string // the patch
	}{
		{"suspended already", func(*batchv1.Job, *admissionv1.AdmissionRequest) {},
			`[{"op":"add","path":"/metadata/annotations","value":{"runcast.dev/user":"alice"}}]`},
		{"not suspended", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) { j.Spec.Suspend = &no },
			`[{"op":"add","path":"/spec/suspend","value":true},{"op":"add","path":"/metadata/annotations","value":{"runcast.dev/user":"alice"}}]`},
		{"suspend unset, annotated", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) { j.Spec.Suspend = nil; annotated(j, "a", "b") },
			`[{"op":"add","path":"/spec/suspend","value":true},{"op":"add","path":"/metadata/annotations/runcast.dev~1user","value":"alice"}]`},
		{"names its user", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) { annotated(j, jobspec.AnnotationUser, "bob") }, ""},
		{"copied from another Job", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) {
			annotated(j, jobspec.AnnotationUser, "bob", jobspec.AnnotationRuntime, "60", jobspec.AnnotationDecision, "Released: x")
		}, `[{"op":"remove","path":"/metadata/annotations/runcast.dev~1decision"},{"op":"remove","path":"/metadata/annotations/runcast.dev~1predicted-runtime-seconds"}]`},
		{"not in a queue", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) { j.Labels, j.Spec.Suspend = nil, &no }, ""},
		{"Kueue's", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) {
			j.Labels[jobspec.LabelKueueQueue], j.Spec.Suspend = "q", &no
		}, ""},
		{"another controller's", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) { j.Spec.ManagedBy, j.Spec.Suspend = &other, &no }, ""},
		{"started", func(j *batchv1.Job, _ *admissionv1.AdmissionRequest) {
			j.Status.StartTime, j.Spec.Suspend = &started, &no
		}, ""},
		{"an update", func(j *batchv1.Job, r *admissionv1.AdmissionRequest) {
			r.Operation, j.Spec.Suspend = admissionv1.Update, &no
		}, ""},
		{"another kind", func(j *batchv1.Job, r *admissionv1.AdmissionRequest) { r.Kind.Kind, j.Spec.Suspend = "CronJob", &no }, ""},
		{"does not decode", func(j *batchv1.Job, r *admissionv1.AdmissionRequest) {
			r.Object.Raw = []byte(`{"spec":{"suspend":"maybe"}}`)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := testJob(t, "a", "cpu=1")
			req := review(t, j)
			req.Request.Object.Raw = nil
			c.change(j, req.Request)
			if req.Request.Object.Raw == nil {
				req.Request.Object = review(t, j).Request.Object
			}
			body, err := json.Marshal(req)
			if err != nil {
				t.Fatal(err)
			}
			w := post(t, body)
			var out admissionv1.AdmissionReview
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
				t.Fatal(w.Code, w.Body, err)
			}
			if out.Response == nil || !out.Response.Allowed || out.Response.UID != "u1" || out.Kind != "AdmissionReview" || out.Request != nil {
				t.Fatalf("answer %s", w.Body)
			}
			if diff := cmp.Diff(c.want, string(out.Response.Patch)); diff != "" {
				t.Error(diff)
			}
			if (out.Response.PatchType != nil) != (c.want != "") {
				t.Errorf("patch type %v", out.Response.PatchType)
			}
		})
	}
}

func TestWebhookWarns(t *testing.T) {
	j := annotated(testJob(t, "a", "cpu=1"), jobspec.AnnotationDeadline, "tomorrow", jobspec.AnnotationExpectedRuntime, "-1h", jobspec.AnnotationRightSize, "aply")
	resp := NewWebhook(quiet()).admit(review(t, j).Request)
	if len(resp.Warnings) != 3 || !strings.Contains(resp.Warnings[1], `"tomorrow" is not a time`) || !strings.Contains(resp.Warnings[2], `"aply" is not off, recommend or apply`) {
		t.Errorf("warnings %q", resp.Warnings)
	}
}

// What Runcast writes on a Job, a copy of the Job is rid of: all of it.
func TestWebhookDropsAllThatIsWritten(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	told := notice{verdict: scheduler.Reserved, reason: "x", start: at, end: at, reserved: at}
	j := testJob(t, "copy", "cpu=1")
	j.Annotations = jobspec.Annotations(predictor.Estimate{
		Runtime: predictor.Exactly(time.Minute), PeakMemory: predictor.Exactly(predictor.GiB), MemoryRequest: predictor.GiB, Model: "m1",
	})
	maps.Copy(j.Annotations, told.annotations())
	maps.Copy(j.Annotations, (&size{user: 8 * predictor.GiB}).annotations())
	written := len(j.Annotations)
	annotated(j, jobspec.AnnotationUser, "bob", jobspec.FeaturePrefix+"epochs", "3")
	if patch := admissionPatch(j, "alice"); len(patch) != written || slices.ContainsFunc(patch, func(o operation) bool { return o.Op != "remove" }) {
		t.Errorf("%d annotations are written, the patch is %v", written, patch)
	}
}

// Whatever arrives, the answer is a refusal to read it or an admission, and a patch
// that is given applies.
func FuzzWebhook(f *testing.F) {
	whole, err := json.Marshal(review(f, testJob(f, "a", "cpu=1")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"request":{"operation":"CREATE","kind":{"group":"batch","version":"v1","kind":"Job"},"object":null}}`))
	f.Add([]byte(`{"request":{"operation":"CREATE","kind":{"group":"batch","version":"v1","kind":"Job"},"object":{"metadata":{"labels":{"runcast.dev/queue-name":"q"},"annotations":{}}}}}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := post(t, body)
		if w.Code == http.StatusBadRequest {
			return
		}
		var out admissionv1.AdmissionReview
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK || out.Response == nil || !out.Response.Allowed {
			t.Fatal(w.Code, w.Body, err)
		}
		if out.Response.Patch == nil {
			return
		}
		var p jsonPatch
		if err := json.Unmarshal(out.Response.Patch, &p); err != nil || len(p) == 0 {
			t.Fatalf("patch %s: %v", out.Response.Patch, err)
		}
	})
}
