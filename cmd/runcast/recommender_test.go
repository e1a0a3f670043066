package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// On a cluster without VPA's types the recommender says so and ends; up goes on without it.
func TestNoVPA(t *testing.T) {
	api := httptest.NewServer(http.NotFoundHandler())
	defer api.Close()
	dir := t.TempDir()
	kubeconfig, config := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "runcast.yaml")
	for file, text := range map[string]string{
		kubeconfig: fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x}}], clusters: [{name: x, cluster: {server: %q}}]}`, api.URL),
		config:     fmt.Sprintf("kubernetes: {kubeconfig: %s}\nserver: {listen: \"127.0.0.1:0\"}\nclient: {predictor: \"127.0.0.1:1\"}\nmetrics_address: none\n", kubeconfig),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const sentence = "the cluster has no VerticalPodAutoscaler of autoscaling.k8s.io/v1: install the CustomResourceDefinitions of the Vertical Pod Autoscaler, and restart"
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"recommender", "--config", config}, &bytes.Buffer{}, &stderr); code != exitFailed || !strings.HasSuffix(stderr.String(), "runcast: recommender: "+sentence+"\n") {
		t.Errorf("exit status %d, %s", code, &stderr)
	}

	var log bytes.Buffer
	p, err := newProcess(&globals{log: slog.New(slog.NewTextHandler(&log, nil))}, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addRecommender(nil, p.runIfVPA); err != nil {
		t.Fatal(err)
	}
	if err := p.loops[0](t.Context()); err != nil || !strings.Contains(log.String(), `msg="the recommender is off" reason="`+sentence) {
		t.Errorf("error %v, log %s", err, &log)
	}
}
