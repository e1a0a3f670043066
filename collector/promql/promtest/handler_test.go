package promtest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/runcast/runcast/collector/promql/promtest"
)

const load = `
load 30s
  up{job="a",instance="1"} 1x20
  up{job="a",instance="2"} 0x20
  jobs_total{job="b"} 0+3x20
`

func open(t *testing.T, maxSamples int) (v1.API, string) {
	t.Helper()
	engine := promtest.NewEngine(maxSamples)
	server := httptest.NewServer(promtest.NewHandler(promqltest.LoadedStorage(t, load), engine))
	t.Cleanup(func() {
		server.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := api.NewClient(api.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return v1.NewAPI(client), server.URL
}

// TestHandler asks with Prometheus' own client.
func TestHandler(t *testing.T) {
	a, _ := open(t, 0)
	ctx := t.Context()
	at := time.Unix(600, 0)
	for q, want := range map[string]string{
		`sum(up)`:         `{} => 1 @[600]`,
		`nothing`:         ``,
		`nothing[1m]`:     ``,
		`scalar(sum(up))`: `scalar: 1 @[600]`,
		`jobs_total[1m]`:  "jobs_total{job=\"b\"} =>\n57 @[570]\n60 @[600]",
		`label_join(up{instance="1"},"x","-","job","instance")`: `up{instance="1", job="a", x="a-1"} => 1 @[600]`,
	} {
		v, _, _, err := a.Query(ctx, q, at)
		if err != nil || v.String() != want {
			t.Errorf("%s: %v %v, want %s", q, v, err, want)
		}
	}
	v, _, _, err := a.QueryRange(ctx, `sum(jobs_total)`, v1.Range{Start: time.Unix(0, 0), End: time.Unix(60, 0), Step: 30 * time.Second})
	if err != nil || v.String() != "{} =>\n0 @[0]\n3 @[30]\n6 @[60]" {
		t.Error(v, err)
	}
	series, warnings, _, err := a.Series(ctx, []string{`up{instance="1"}`, `up`}, time.Unix(0, 0), at)
	if err != nil || len(series) != 2 || len(warnings) != 0 || series[0]["instance"] != "1" {
		t.Error(series, warnings, err)
	}
	series, warnings, _, err = a.Series(ctx, []string{`up`}, time.Unix(0, 0), at, v1.WithLimit(1))
	if err != nil || len(series) != 1 || len(warnings) != 1 {
		t.Error(series, warnings, err)
	}
	names, _, _, err := a.LabelNames(ctx, nil, time.Unix(0, 0), at)
	if err != nil || len(names) != 3 {
		t.Error(names, err)
	}
	values, _, _, err := a.LabelValues(ctx, "__name__", []string{`{job="b"}`}, time.Unix(0, 0), at)
	if err != nil || len(values) != 1 || values[0] != "jobs_total" {
		t.Error(values, err)
	}
}

// TestRefusals checks status and errorType, as web/api/v1 has them.
func TestRefusals(t *testing.T) {
	_, url := open(t, 10)
	for path, want := range map[string]string{
		"/api/v1/query?query=sum(":                               `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/query?query=up&time=noon":                       `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/query?query=up&time=NaN":                        `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/query?query=up&timeout=soon":                    `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/query?query=up[1h]&time=600":                    `422 {"status":"error","errorType":"execution"`,
		"/api/v1/query?query=up*on(job)up&time=600":              `422 {"status":"error","errorType":"execution"`,
		"/api/v1/query?query=up&time=600&timeout=1e-9":           `503 {"status":"error","errorType":"timeout"`,
		"/api/v1/query_range?query=up&start=0&end=9&step=0":      `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/query_range?query=up&start=9&end=0&step=1":      `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/query_range?query=up&start=0&end=99999&step=1s": `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/series":                     `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/series?match[]=up&limit=-1": `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/labels?match[]=up{":         `400 {"status":"error","errorType":"bad_data"`,
		"/api/v1/nothing":                    `404 404 page not found`,
	} {
		if got := get(t, url+path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	var e *v1.Error
	a, _ := open(t, 10)
	if _, _, _, err := a.Query(t.Context(), "up[1h]", time.Unix(600, 0)); !errors.As(err, &e) || e.Type != v1.ErrExec {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}
