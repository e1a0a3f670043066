package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// newAPI is an API server of a cluster in which there is nothing yet, and nothing comes.
// It answers what may be done by allowed.
func newAPI(t *testing.T, allowed func(*authv1.ResourceAttributes) bool) *httptest.Server {
	t.Helper()
	kinds := map[string]string{
		"nodes": "Node", "pods": "Pod", "jobs": "Job", "priorityclasses": "PriorityClass", "limitranges": "LimitRange", "verticalpodautoscalers": "VerticalPodAutoscaler",
	}
	end := make(chan struct{}) // of all watches
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, resource := kinds[path.Base(r.URL.Path)], strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/api/")
		version := path.Dir(resource)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case resource == "/version":
			fmt.Fprint(w, `{"gitVersion": "v1.37.2"}`)
		case resource == "autoscaling.k8s.io/v1":
			fmt.Fprint(w, `{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "autoscaling.k8s.io/v1", "resources": []}`)
		case path.Base(resource) == "selfsubjectaccessreviews":
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			asked, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(w, `{"kind": "SelfSubjectAccessReview", "apiVersion": %q, "status": {"allowed": %t}}`, version, allowed(asked.(*authv1.SelfSubjectAccessReview).Spec.ResourceAttributes))
		case kind != "" && r.URL.Query().Get("watch") != "":
			fmt.Fprintf(w, `{"type": "BOOKMARK", "object": {"kind": %q, "apiVersion": %q, "metadata": {"resourceVersion": "1", "annotations": {%q: "true"}}}}`, kind, version, metav1.InitialEventsAnnotationKey)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-end:
			case <-r.Context().Done():
			}
		case kind != "":
			fmt.Fprintf(w, `{"kind": "%sList", "apiVersion": %q, "metadata": {"resourceVersion": "1"}, "items": []}`, kind, version)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(end) }) // first
	return s
}

// configFor is a file with a configuration of processes that talk to an API server.
func configFor(t *testing.T, api *httptest.Server, rest string) string {
	t.Helper()
	dir := t.TempDir()
	kubeconfig, config := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "runcast.yaml")
	for file, text := range map[string]string{
		kubeconfig: fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x}}], clusters: [{name: x, cluster: {server: %q}}]}`, api.URL),
		config:     fmt.Sprintf("kubernetes: {kubeconfig: %s}\n%s", kubeconfig, rest),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config
}
