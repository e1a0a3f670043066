package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authv1 "k8s.io/api/authorization/v1"
)

// Doctor asks for each component about what that does, and no more.
func TestRights(t *testing.T) {
	collects := []string{"watch jobs", "watch pods", "watch priorityclasses"}
	schedules := []string{"watch nodes", "get jobs", "patch jobs", "create events", "patch events"}
	recommends := []string{
		"watch verticalpodautoscalers", "patch verticalpodautoscalers/status", "watch nodes", "watch limitranges", "list pods",
		"get cronjobs", "get jobs", "get deployments", "get statefulsets", "get daemonsets", "get replicasets", "get replicationcontrollers",
	}
	reviews := []string{"create tokenreviews", "create subjectaccessreviews"}
	lease := func(name string) []string {
		return []string{"create leases in runcast", "get leases " + name + " in runcast", "update leases " + name + " in runcast"}
	}
	const plain = "store: {path: /none/runcast.bolt}\n"
	const chart = plain + `
server: {authorization: kubernetes}
scheduler: {election: {namespace: runcast, name: queue}}
recommender: {election: {namespace: runcast, name: vpa}}
`
	api := newAPI(t, func(*authv1.ResourceAttributes) bool { return true })
	for _, tt := range []struct {
		component, config string
		want              [][]string
	}{
		{"collector", plain, [][]string{collects}},
		{"collector", chart, [][]string{collects, reviews}},
		{"predictor", plain, nil},
		{"predictor", chart, [][]string{reviews}},
		{"scheduler", plain, [][]string{collects, schedules}},
		{"scheduler", chart, [][]string{collects, schedules, lease("queue"), reviews}},
		{"recommender", chart, [][]string{recommends, lease("vpa")}},
		{"up", plain, [][]string{collects, schedules, recommends}},
		{"up", plain + "scheduler: {disabled: true}\nrecommender: {disabled: true}\n", [][]string{collects}},
	} {
		var got []string
		for line := range strings.Lines(doctor(t, tt.component, configFor(t, api, tt.config))) {
			if _, right, ok := strings.Cut(line, "right to "); ok {
				right, _, _ = strings.Cut(right, "  ")
				got = append(got, right)
			}
		}
		want := slices.Concat(tt.want...)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
			t.Errorf("%s (-want +asked):\n%s", tt.component, diff)
		}
	}
}

// What is denied is to be mended, and everything else is told all the same.
func TestRightsDenied(t *testing.T) {
	api := newAPI(t, func(r *authv1.ResourceAttributes) bool { return r.Resource != "leases" || r.Verb != "update" })
	out := doctor(t, "scheduler", configFor(t, api, "scheduler: {election: {namespace: runcast, name: queue}}\n"))
	if n := strings.Count(out, "MEND"); n != 1 || !strings.Contains(out, "MEND  right to update leases queue in runcast  denied") {
		t.Errorf("%d to mend:\n%s", n, out)
	}
}

// Without the Vertical Pod Autoscaler a recommender has nothing to do; up does without, and
// needs no rights to it.
func TestRightsWithoutVPA(t *testing.T) {
	whole := newAPI(t, func(*authv1.ResourceAttributes) bool { return true })
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/apis/autoscaling.k8s.io/") {
			http.NotFound(w, r)
			return
		}
		whole.Config.Handler.ServeHTTP(w, r)
	}))
	defer api.Close()
	for component, mark := range map[string]string{"recommender": "MEND  ", "up": "ok    "} {
		out := doctor(t, component, configFor(t, api, "store: {path: /none/runcast.bolt}\n"))
		if !strings.Contains(out, mark+"VerticalPodAutoscaler ") || !strings.Contains(out, "nothing is recommended") || strings.Contains(out, "verticalpodautoscalers") {
			t.Errorf("%s:\n%s", component, out)
		}
	}
}

// doctor is what it prints.
func doctor(t *testing.T, component, config string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"doctor", "--component", component, "--config", config}, &stdout, &stderr); code == exitUsage {
		t.Fatalf("exit status %d, %s", code, &stderr)
	}
	return stdout.String()
}
