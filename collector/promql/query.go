package promql

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	// maxQueryBytes is VictoriaMetrics' limit for the text of a query (16 KiB,
	// -search.maxQueryLen); the others accept more.
	maxQueryBytes = 16 << 10
	// blank is the smallest of DCGM's sentinels for "no value" (dcgm_fields.h).
	blank = 1 << 62

	// A passing fault is retried after half a second, one, two, four: a restart of a
	// replica or a gateway is over by then. What lasts longer is the caller's to retry.
	maxTries  = 5
	firstWait = 500 * time.Millisecond
	// grace is how much longer than the server a query may take, so that it is the
	// server that says that it took too long.
	grace = 5 * time.Second
)

// A row is one element of an answer.
type row struct {
	namespace, pod, container string // empty where the query does not keep them
	labels                    model.Metric
	value                     float64            // in the package's unit (see units)
	points                    []model.SamplePair // of a range selector, in the query's unit
}

func (r *row) label(name model.LabelName) string { return string(r.labels[name]) }

func (r *row) job() string { return r.label("job_name") }

// time reads the value as Unix seconds.
func (r *row) time() time.Time { return unixTime(r.value) }

func unixTime(seconds float64) time.Time {
	return time.UnixMilli(int64(math.Round(seconds * 1e3))).UTC()
}

// ask evaluates a template for a scope, once for each style of the exporter's labels.
// Values that are not numbers, and DCGM's sentinels, are left out.
func (s *Source) ask(ctx context.Context, name string, sc scope) ([]row, error) {
	q := s.templates[name]
	styles, err := s.stylesAt(ctx, q.Exporter, sc.at)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, style := range styles {
		text, err := q.render(s.variables(sc, style))
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		value, err := s.query(ctx, name, text, sc.at)
		if err != nil {
			return nil, fmt.Errorf("%s: query %s: %w", s.where, name, err)
		}
		add := func(m model.Metric, v float64, points []model.SamplePair) {
			if math.IsNaN(v) || q.Exporter == DCGM && v >= blank {
				return
			}
			rows = append(rows, row{
				namespace: string(m[model.LabelName(style.namespace)]),
				pod:       string(m[model.LabelName(style.pod)]),
				container: string(m[model.LabelName(style.container)]),
				labels:    m, value: v * q.factor, points: points,
			})
		}
		switch value := value.(type) {
		case model.Vector:
			for _, e := range value {
				add(e.Metric, float64(e.Value), nil)
			}
		case model.Matrix:
			for _, e := range value {
				add(e.Metric, 0, e.Values)
			}
		default:
			return nil, fmt.Errorf("query %s: expected a vector, got a %s", name, value.Type())
		}
	}
	return rows, nil
}

// query runs one instant query.
func (s *Source) query(ctx context.Context, name, text string, at time.Time) (model.Value, error) {
	if len(text) > maxQueryBytes {
		return nil, fmt.Errorf("%w: %d bytes", errTooLong, len(text))
	}
	var value model.Value
	err := s.retry(ctx, name, func(ctx context.Context) error {
		v, warnings, _, err := s.api.Query(ctx, text, at, v1.WithTimeout(time.Duration(s.cfg.QueryTimeout)))
		if err != nil {
			return err
		}
		for _, w := range warnings {
			// The engine's remarks on a query come as warnings too (prometheus#12152);
			// they say nothing of missing data.
			if strings.HasPrefix(w, "PromQL ") {
				s.log.Debug("remark on a query", "template", name, "remark", w)
				continue
			}
			return fmt.Errorf("%w: %s", ErrPartial, w)
		}
		value = v
		return nil
	})
	return value, err
}

// retry sends a request, within the bounds of the configuration, and again after
// passing faults, until ctx ends or maxTries.
func (s *Source) retry(ctx context.Context, name string, send func(context.Context) error) error {
	for try := 1; ; try++ {
		err := s.send(ctx, name, send)
		if classify(err) != classFault || try == maxTries || ctx.Err() != nil {
			return err
		}
		wait := firstWait << (try - 1)
		wait = wait/2 + rand.N(wait)/2
		s.log.Debug("query will be repeated", "template", name, "wait", wait, "error", err)
		s.metrics.retries.Inc()
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, after %w", ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

// send waits for a slot and measures one request.
func (s *Source) send(ctx context.Context, name string, send func(context.Context) error) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	bounded, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.QueryTimeout)+grace)
	defer cancel()
	start := time.Now()
	err := send(bounded)
	s.metrics.seconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
	s.metrics.queries.WithLabelValues(name, string(classify(err))).Inc()
	return err
}
