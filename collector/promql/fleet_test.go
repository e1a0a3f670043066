package promql

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/promql/promtest"
	"github.com/runcast/runcast/predictor"
)

// A fault answers a request in the store's place; nil lets it through.
type fault func(*http.Request) *answer

type answer struct {
	status int
	body   string
	err    error // nobody answers
	silent bool  // nobody answers, ever
}

// A fleet is a store with faults, and the finished jobs in it: job-0 to job-n, each
// with one pod whose working set is its number in GB, done at 630.
type fleet struct {
	http.Handler
	fault    fault
	requests atomic.Int64
	mu       sync.Mutex
	queries  []string
}

const fleetSize = 20

func newFleet(t *testing.T) *fleet {
	var load strings.Builder
	load.WriteString("load 30s\n")
	for i := range fleetSize {
		fmt.Fprintf(&load, "  kube_job_created{namespace=\"ml\",job_name=\"job-%d\"} 30x60\n", i)
		fmt.Fprintf(&load, "  kube_job_status_start_time{namespace=\"ml\",job_name=\"job-%d\"} 30x60\n", i)
		fmt.Fprintf(&load, "  kube_job_status_completion_time{namespace=\"ml\",job_name=\"job-%d\"} _x21 630x39\n", i)
		fmt.Fprintf(&load, "  kube_pod_owner{namespace=\"ml\",pod=\"job-%d-p\",owner_kind=\"Job\",owner_name=\"job-%d\",owner_is_controller=\"true\"} 1x60\n", i, i)
		fmt.Fprintf(&load, "  container_memory_working_set_bytes{namespace=\"ml\",pod=\"job-%d-p\",container=\"main\",id=\"/%d\"} _x2 %de9x17\n", i, i, i+1)
	}
	engine := promtest.NewEngine(0)
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fleet{Handler: promtest.NewHandler(promqltest.LoadedStorage(t, load.String()), engine)}
}

// RoundTrip serves a request without a network, so that time can be faked.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.requests.Add(1)
	var body []byte
	form := r.URL.Query()
	if r.Body != nil { // by POST
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	f.queries = append(f.queries, form.Get("query"))
	f.mu.Unlock()
	r.Body, r.Form = io.NopCloser(strings.NewReader(string(body))), form
	if a := f.fault(r); a != nil {
		if a.silent {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		if a.err != nil {
			return nil, a.err
		}
		return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
	}
	w := httptest.NewRecorder()
	r.Form = nil
	f.ServeHTTP(w, r)
	return w.Result(), nil
}

func (f *fleet) source(t *testing.T, cfg Config) *Source {
	t.Helper()
	cfg.URL = "http://prometheus.test"
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := newSource(cfg.WithDefaults(), &http.Client{Transport: f}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fleetJobs() []collector.Finished {
	jobs := make([]collector.Finished, fleetSize)
	for i := range jobs {
		jobs[i] = collector.Finished{FromAPI: true, Pods: []collector.Pod{{Name: fmt.Sprintf("job-%d-p", i)}}}
		r := &jobs[i].Record
		r.Namespace, r.Name, r.Started, r.Finished = "ml", fmt.Sprintf("job-%d", i), time.Unix(30, 0), time.Unix(630, 0)
	}
	return jobs
}

func fleetUsage() []predictor.Usage {
	want := make([]predictor.Usage, fleetSize)
	for i := range want {
		b := predictor.Bytes(i+1) * 1e9
		want[i] = predictor.Usage{PeakMemory: b, WorkingSetPeak: b, Quality: predictor.QualityExact}
	}
	return want
}

// pods is how many names a query asks for.
func pods(r *http.Request) int { return strings.Count(r.Form.Get("query"), "-p") }
