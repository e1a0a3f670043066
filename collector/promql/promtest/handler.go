// Package promtest serves Prometheus' query API over any storage.Queryable, with
// Prometheus' own engine: enough of a Prometheus for tests, and for a try-out
// without a cluster. The collector's binary never links it.
package promtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// NewEngine returns Prometheus' engine with Prometheus' own defaults: a look-back
// of five minutes, two minutes for a query. A query that would load more than
// maxSamples at once is refused with 422, as there; 0 means 50 million.
func NewEngine(maxSamples int) *promql.Engine {
	if maxSamples <= 0 {
		maxSamples = 50_000_000
	}
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples:               maxSamples,
		Timeout:                  2 * time.Minute,
		LookbackDelta:            5 * time.Minute,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   parser.NewParser(parser.Options{}),
	})
}

// NewHandler serves /api/v1/query, /query_range, /series, /labels and
// /label/<name>/values over q, by GET and by POST, in Prometheus' formats and with
// its status codes. A request that names no time means now.
func NewHandler(q storage.Queryable, engine promql.QueryEngine) http.Handler {
	h := handler{q, engine, parser.NewParser(parser.Options{})}
	mux := http.NewServeMux()
	for path, answer := range map[string]func(*http.Request) (any, []string, error){
		"/api/v1/query":               h.query,
		"/api/v1/query_range":         h.queryRange,
		"/api/v1/series":              h.series,
		"/api/v1/labels":              h.labelNames,
		"/api/v1/label/{name}/values": h.labelValues,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			data, warnings, err := answer(r)
			respond(w, data, warnings, err)
		})
	}
	return mux
}

type handler struct {
	storage storage.Queryable
	engine  promql.QueryEngine
	parser  parser.Parser
}

// badData is a request that Prometheus would answer with 400.
type badData struct{ error }

type queryData struct {
	Type   parser.ValueType `json:"resultType"`
	Result parser.Value     `json:"result"`
}

func (h handler) query(r *http.Request) (any, []string, error) {
	at, err := formTime(r, "time", time.Now())
	if err != nil {
		return nil, nil, err
	}
	return h.run(r, func(ctx context.Context) (promql.Query, error) {
		return h.engine.NewInstantQuery(ctx, h.storage, nil, r.FormValue("query"), at)
	})
}

func (h handler) queryRange(r *http.Request) (any, []string, error) {
	from, err := formTime(r, "start", time.Now())
	if err != nil {
		return nil, nil, err
	}
	to, err := formTime(r, "end", time.Now())
	if err != nil {
		return nil, nil, err
	}
	step, err := formDuration(r, "step")
	if err != nil {
		return nil, nil, err
	}
	if step <= 0 || to.Before(from) || to.Sub(from)/step > 11_000 {
		return nil, nil, badData{errors.New("start, end and step must give 1 to 11,000 points")}
	}
	return h.run(r, func(ctx context.Context) (promql.Query, error) {
		return h.engine.NewRangeQuery(ctx, h.storage, nil, r.FormValue("query"), from, to, step)
	})
}

// run executes a query within the timeout that the request names. The values are
// encoded before the query is closed, since closing it takes them back.
func (h handler) run(r *http.Request, prepare func(context.Context) (promql.Query, error)) (any, []string, error) {
	ctx := r.Context()
	timeout, err := formDuration(r, "timeout")
	if err != nil {
		return nil, nil, err
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	query, err := prepare(ctx)
	if err != nil {
		return nil, nil, badData{err}
	}
	defer query.Close()
	res := query.Exec(ctx)
	warnings := res.Warnings.AsErrors()
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = w.Error()
	}
	if res.Err != nil {
		return nil, texts, res.Err
	}
	value := res.Value
	switch v := value.(type) { // no result is [], not null
	case promql.Vector:
		if v == nil {
			value = promql.Vector{}
		}
	case promql.Matrix:
		if v == nil {
			value = promql.Matrix{}
		}
	}
	data, err := json.Marshal(queryData{value.Type(), value})
	return json.RawMessage(data), texts, err
}

func (h handler) series(r *http.Request) (any, []string, error) {
	sets, querier, err := h.lookup(r)
	if err != nil {
		return nil, nil, err
	}
	defer querier.Close()
	limit, err := formLimit(r)
	if err != nil {
		return nil, nil, err
	}
	if len(sets) == 0 {
		return nil, nil, badData{errors.New("no match[] parameter provided")}
	}
	found := map[string]labels.Labels{}
	for _, matchers := range sets {
		set := querier.Select(r.Context(), true, nil, matchers...)
		for set.Next() {
			l := set.At().Labels()
			found[l.String()] = l
		}
		if err := set.Err(); err != nil {
			return nil, nil, promql.ErrStorage{Err: err}
		}
	}
	out := make([]labels.Labels, 0, len(found))
	for _, l := range found {
		out = append(out, l)
	}
	slices.SortFunc(out, labels.Compare)
	if limit > 0 && len(out) > limit {
		return out[:limit], []string{"results truncated due to limit"}, nil
	}
	return out, nil, nil
}

func (h handler) labelNames(r *http.Request) (any, []string, error) {
	return h.names(r, func(q storage.Querier, matchers []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(r.Context(), nil, matchers...)
		return names, err
	})
}

func (h handler) labelValues(r *http.Request) (any, []string, error) {
	return h.names(r, func(q storage.Querier, matchers []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(r.Context(), r.PathValue("name"), nil, matchers...)
		return values, err
	})
}

// names is the sorted union of what look finds for each match[] of the request,
// or for the whole storage if there is none.
func (h handler) names(r *http.Request, look func(storage.Querier, []*labels.Matcher) ([]string, error)) (any, []string, error) {
	sets, querier, err := h.lookup(r)
	if err != nil {
		return nil, nil, err
	}
	defer querier.Close()
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	out := []string{}
	for _, matchers := range sets {
		names, err := look(querier, matchers)
		if err != nil {
			return nil, nil, promql.ErrStorage{Err: err}
		}
		for _, n := range names { // valid only while the querier is open
			out = append(out, string([]byte(n)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil, nil
}

// lookup reads the match[], start and end of a request and opens a querier, which
// the caller closes.
func (h handler) lookup(r *http.Request) ([][]*labels.Matcher, storage.Querier, error) {
	from, err := formTime(r, "start", time.UnixMilli(0))
	if err != nil {
		return nil, nil, err
	}
	to, err := formTime(r, "end", time.Now())
	if err != nil {
		return nil, nil, err
	}
	sets, err := h.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, nil, badData{err}
	}
	querier, err := h.storage.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, nil, promql.ErrStorage{Err: err}
	}
	return sets, querier, nil
}

// respond writes Prometheus' envelope.
func respond(w http.ResponseWriter, data any, warnings []string, err error) {
	envelope := struct {
		Status    string   `json:"status"`
		Data      any      `json:"data,omitempty"`
		ErrorType string   `json:"errorType,omitempty"`
		Error     string   `json:"error,omitempty"`
		Warnings  []string `json:"warnings,omitempty"`
	}{Status: "success", Data: data, Warnings: warnings}
	code := http.StatusOK
	if err != nil {
		code, envelope.ErrorType = status(err)
		envelope.Status, envelope.Data, envelope.Error = "error", nil, err.Error()
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client has gone; nobody is left to tell
}

// status is the table of web/api/v1: which code and errorType an error gets.
func status(err error) (int, string) {
	var bad badData
	var timeout promql.ErrQueryTimeout
	var cancelled promql.ErrQueryCanceled
	var tooMany promql.ErrTooManySamplesRead
	var stored promql.ErrStorage
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest, "bad_data"
	case errors.As(err, &timeout):
		return http.StatusServiceUnavailable, "timeout"
	case errors.As(err, &cancelled):
		return 499, "canceled"
	case errors.As(err, &tooMany):
		return http.StatusUnprocessableEntity, "cost_limit"
	case errors.As(err, &stored):
		return http.StatusInternalServerError, "internal"
	}
	return http.StatusUnprocessableEntity, "execution"
}

// formTime reads Unix seconds, fractions allowed, or RFC 3339.
func formTime(r *http.Request, name string, unset time.Time) (time.Time, error) {
	s := r.FormValue(name)
	if s == "" {
		return unset, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && math.Abs(f) < 1e12 {
		return time.UnixMilli(int64(math.Round(f * 1000))), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, badData{fmt.Errorf("%s: cannot parse %q to a valid timestamp", name, s)}
	}
	return t, nil
}

// formDuration reads seconds or a Prometheus duration; zero if there is none.
func formDuration(r *http.Request, name string) (time.Duration, error) {
	s := r.FormValue(name)
	if s == "" {
		return 0, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1e9 {
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, badData{fmt.Errorf("%s: %w", name, err)}
	}
	return time.Duration(d), nil
}

func formLimit(r *http.Request) (int, error) {
	s := r.FormValue("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badData{fmt.Errorf("limit: expected a whole number of at least 0, got %q", s)}
	}
	return n, nil
}
