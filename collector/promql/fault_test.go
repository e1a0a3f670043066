package promql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/predictor"
)

// TestTooLarge has a server that refuses queries about more than three pods, in the
// words of each kind of server; halving must find everything all the same.
func TestTooLarge(t *testing.T) {
	f := newFleet(t)
	for name, a := range map[string]answer{
		"samples":        {status: 422, body: `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`},
		"cost":           {status: 422, body: `{"status":"error","errorType":"cost_limit","error":"query would read too many samples"}`},
		"server timeout": {status: 503, body: `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`},
		"gateway":        {status: 504, body: "upstream timed out"},
		"body":           {status: 413, body: "too large"},
		"victoria":       {status: 400, body: `{"status":"error","errorType":"400","error":"too long query; got 17000 bytes; mustn't exceed -search.maxQueryLen=16384 bytes"}`},
		"silence":        {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f.fault = func(r *http.Request) *answer {
					if strings.Contains(r.Form.Get("query"), "container_") && pods(r) > 3 {
						return &a
					}
					return nil
				}
				s := f.source(t, Config{})
				got, err := s.Usage(t.Context(), fleetJobs())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(fleetUsage(), got); diff != "" {
					t.Error("-want +got:", diff)
				}
				if n := testutil.ToFloat64(s.metrics.halvings); n != 7 { // of 20, of both 10 and of all four 5
					t.Errorf("%v halvings", n)
				}
			})
		})
	}
}

// TestGivesUp has a server that refuses one pod, however little is asked of it: that
// job's usage is not known, and the others' is.
func TestGivesUp(t *testing.T) {
	f := newFleet(t)
	f.fault = func(r *http.Request) *answer {
		if strings.Contains(r.Form.Get("query"), "job-7-p") && strings.Contains(r.Form.Get("query"), "rate(") {
			return &answer{status: 422, body: `{"errorType":"execution","error":"too many samples"}`}
		}
		return nil
	}
	s := f.source(t, Config{})
	got, err := s.Usage(t.Context(), fleetJobs())
	if err != nil {
		t.Fatal(err)
	}
	want := fleetUsage()
	want[7] = predictor.Usage{Quality: predictor.QualityNone}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got:", diff)
	}
	if n := testutil.ToFloat64(s.metrics.givenUp); n != 1 {
		t.Errorf("%v given up", n)
	}
}

// TestRetries has faults that pass: each request fails twice.
func TestRetries(t *testing.T) {
	f := newFleet(t)
	for name, a := range map[string]answer{
		"unavailable": {status: 503, body: "no healthy upstream"},
		"internal":    {status: 500, body: `{"errorType":"internal","error":"expanding series: ..."}`},
		"throttled":   {status: 429, body: "slow down"},
		"refused":     {err: errors.New("connect: connection refused")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed := map[string]int{}
				var mu sync.Mutex
				f.fault = func(r *http.Request) *answer {
					mu.Lock()
					defer mu.Unlock()
					key := r.URL.Path + r.Form.Encode()
					if failed[key]++; failed[key] <= 2 {
						return &a
					}
					return nil
				}
				s := f.source(t, Config{})
				start := time.Now()
				got, err := s.Usage(t.Context(), fleetJobs())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(fleetUsage(), got); diff != "" {
					t.Error("-want +got:", diff)
				}
				retries := testutil.ToFloat64(s.metrics.retries)
				// Each request waited 250 to 500 ms, then 500 to 1000 ms.
				if took := time.Since(start); retries == 0 || took < time.Duration(retries/2*750)*time.Millisecond || took > time.Duration(retries/2*1500)*time.Millisecond {
					t.Errorf("%v retries took %v", retries, took)
				}
			})
		})
	}
}

// TestErrors has faults that do not pass, and what they must come out as.
func TestErrors(t *testing.T) {
	f := newFleet(t)
	for _, c := range []struct {
		name   string
		answer answer
		is     error
		says   string
		most   int64 // requests
	}{
		{"down", answer{err: errors.New("connect: connection refused")}, nil, "connection refused", maxTries},
		{"unavailable", answer{status: 503, body: "no healthy upstream"}, nil, "503 Service Unavailable: no healthy upstream", maxTries},
		{"tenant", answer{status: 401, body: "no org id\n"}, ErrRefused, "401 Unauthorized: no org id (check the credentials in http_config, and the tenant in its http_headers, X-Scope-OrgID)", 1},
		{"forbidden", answer{status: 403, body: "RBAC"}, ErrRefused, "403 Forbidden: RBAC", 2}, // by POST, then by GET
		{"not here", answer{status: 404, body: "404 page not found"}, nil, "404 Not Found", 1},
		{"bad query", answer{status: 400, body: `{"errorType":"bad_data","error":"parse error"}`}, nil, "400 Bad Request (bad_data): parse error", 1},
		{"login page", answer{status: 200, body: "<html>"}, nil, "bad_response", 1},
		{"warning", answer{status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["store 10.0.0.1 is down"]}`}, ErrPartial, "answered in part: store 10.0.0.1 is down", 2},
		{"silence", answer{silent: true}, context.DeadlineExceeded, "", 6},
	} {
		for _, method := range []string{"Usage", "Finished"} {
			t.Run(c.name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f.fault = func(r *http.Request) *answer {
						if strings.HasSuffix(r.URL.Path, "/series") {
							return nil
						}
						return &c.answer
					}
					s := f.source(t, Config{MaxQueries: 1, Labels: Labels{KubeStateMetrics: "plain", CAdvisor: "plain", GPU: "none"}})
					f.requests.Store(0)
					var err error
					if method == "Usage" {
						_, err = s.Usage(t.Context(), fleetJobs())
					} else {
						_, err = s.Finished(t.Context(), time.Unix(0, 0), time.Unix(1800, 0))
					}
					if err == nil {
						t.Fatal("no error")
					}
					if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
						t.Errorf("got %q, want %q in it, and it to be %v", err, c.says, c.is)
					}
					if n := f.requests.Load(); n > c.most {
						t.Errorf("%d requests, want at most %d", n, c.most)
					}
				})
			})
		}
	}
}

// TestContextEnds bounds the retries by the caller's context.
func TestContextEnds(t *testing.T) {
	f := newFleet(t)
	synctest.Test(t, func(t *testing.T) {
		f.fault = func(*http.Request) *answer { return &answer{status: 503} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := f.source(t, Config{}).Usage(ctx, fleetJobs())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// TestRemarks: what the engine remarks on a query is no sign of missing data.
func TestRemarks(t *testing.T) {
	f := newFleet(t)
	f.fault = func(r *http.Request) *answer {
		if strings.Contains(r.Form.Get("query"), "rate(") {
			return &answer{status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL info: metric might not be a counter"]}`}
		}
		return nil
	}
	got, err := f.source(t, Config{}).Usage(t.Context(), fleetJobs())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fleetUsage(), got); diff != "" {
		t.Error("-want +got:", diff)
	}
}

// TestHistoryInHalves has a server that refuses long windows.
func TestHistoryInHalves(t *testing.T) {
	f := newFleet(t)
	f.fault = func(r *http.Request) *answer {
		if strings.Contains(r.Form.Get("query"), "kube_job_failed") && strings.Contains(r.Form.Get("query"), "[2460s:") {
			return &answer{status: 422, body: `{"errorType":"execution","error":"too many samples"}`}
		}
		return nil
	}
	s := f.source(t, Config{})
	got, err := s.Finished(t.Context(), time.Unix(0, 0), time.Unix(1800, 0))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != fleetSize || testutil.ToFloat64(s.metrics.halvings) != 1 {
		t.Errorf("%d jobs after %v halvings", len(got), testutil.ToFloat64(s.metrics.halvings))
	}
	again, err := s.Finished(t.Context(), time.Unix(0, 0), time.Unix(1800, 0))
	if diff := cmp.Diff(got, again); err != nil || diff != "" {
		t.Error("a second time:", err, diff)
	}
}

// TestLimits checks what every query must keep to.
func TestLimits(t *testing.T) {
	f := newFleet(t)
	var now, most atomic.Int64
	f.fault = func(r *http.Request) *answer {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if r.URL.Query().Get("dedup") != "true" || r.Form.Get("timeout") != "1m0s" {
			t.Errorf("parameters %v %v", r.URL.Query(), r.Form)
		}
		return nil
	}
	s := f.source(t, Config{MaxQueries: 2, MaxPods: 3, QueryTimeout: 60e9, QueryParams: map[string]string{"dedup": "true"}})
	jobs := fleetJobs()
	for i := range jobs { // pods that were never seen, with the longest names there are
		jobs[i].Pods = append(jobs[i].Pods, collector.Pod{Name: fmt.Sprintf("%s.%d", strings.Repeat("x.", 125), i)})
	}
	got, err := s.Usage(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	want := fleetUsage()
	for i := range want {
		want[i].Quality = predictor.QualitySparse // the other pod has no samples
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got:", diff)
	}
	if most.Load() > 2 {
		t.Errorf("%d queries at once", most.Load())
	}

	s = f.source(t, Config{MaxPods: 200, QueryTimeout: 60e9, QueryParams: map[string]string{"dedup": "true"}})
	for i := range jobs {
		for k := range 20 {
			jobs[i].Pods = append(jobs[i].Pods, collector.Pod{Name: fmt.Sprintf("%s.%d.%d", strings.Repeat("y.", 125), i, k)})
		}
	}
	if _, err := s.Usage(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	if testutil.ToFloat64(s.metrics.halvings) == 0 {
		t.Error("no query was too long")
	}
	for _, q := range f.queries {
		if len(q) > maxQueryBytes {
			t.Fatalf("a query of %d bytes", len(q))
		}
	}
}

// TestStylesOnce: how labels arrive is looked up once for an hour of the data, and
// not at all where the configuration says it.
func TestStylesOnce(t *testing.T) {
	f := newFleet(t)
	var lookups atomic.Int64
	f.fault = func(r *http.Request) *answer {
		if strings.HasSuffix(r.URL.Path, "/series") {
			lookups.Add(1)
		}
		return nil
	}
	for _, c := range []struct {
		labels Labels
		want   int64
	}{{Labels{}, 5}, {Labels{GPU: "none"}, 2}, {Labels{KubeStateMetrics: "plain", CAdvisor: "plain", GPU: "pod_name"}, 0}} {
		lookups.Store(0)
		s := f.source(t, Config{Labels: c.labels})
		for range 3 {
			if _, err := s.Usage(t.Context(), fleetJobs()); err != nil {
				t.Fatal(err)
			}
		}
		if n := lookups.Load(); n != c.want {
			t.Errorf("%+v: %d look-ups, want %d", c.labels, n, c.want)
		}
	}
}
