package promql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

var (
	// ErrPartial is returned by Usage and Finished when the server answered with
	// warnings: a Thanos store or a shard did not answer. A later try may get all.
	ErrPartial = errors.New("answered in part")
	// ErrRefused is returned by Usage, Finished and Probe when the server does not let
	// this client in: credentials or tenant are wrong. It stays so until someone acts.
	ErrRefused = errors.New("access refused")

	// errTooLong is a query of more than maxQueryBytes: it is not sent.
	errTooLong = errors.New("query text too long")
)

// A statusError is what the server said instead of an answer.
type statusError struct {
	Status  int
	Type    string // Prometheus' errorType: "execution", "timeout", "cost_limit" …; may be empty
	Message string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Type != "" {
		text += " (" + e.Type + ")"
	}
	if text += ": " + e.Message; e.Unwrap() != nil {
		text += " (check the credentials in http_config, and the tenant in its http_headers, X-Scope-OrgID)"
	}
	return text
}

// Unwrap makes a refusal ErrRefused.
func (e *statusError) Unwrap() error {
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		return ErrRefused
	}
	return nil
}

// newStatusError reads Prometheus' error body, or takes any other as it is.
func newStatusError(status int, body []byte) *statusError {
	var said struct{ ErrorType, Error string }
	if json.Unmarshal(body, &said) != nil || said.Error == "" {
		said.ErrorType, said.Error = "", strings.TrimSpace(string(body[:min(len(body), 300)]))
	}
	return &statusError{status, said.ErrorType, said.Error}
}

// A class says what to do about an error.
type class string

const (
	classOK      class = "ok"
	classLarge   class = "too_large" // ask for less; the server will not answer this, ever
	classTimeout class = "timeout"   // ask for less; whether the server would answer is not known
	classFault   class = "fault"     // ask again later: unreachable, overloaded, restarting
	classPartial class = "partial"   // ask again much later
	classError   class = "error"     // asking again does not help: wrong query, tenant or address
)

func classify(err error) class {
	if err == nil {
		return classOK
	}
	if errors.Is(err, errTooLong) {
		return classLarge
	}
	if errors.Is(err, ErrPartial) {
		return classPartial
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return classTimeout
	}
	var said *statusError
	if errors.As(err, &said) {
		return said.class()
	}
	var api *v1.Error
	if errors.As(err, &api) { // a 2xx without an answer in it, such as a proxy's login page
		return classError
	}
	return classFault // nobody answered
}

func (e *statusError) class() class {
	switch {
	case e.Type == "timeout": // Prometheus sends it with 503
		return classLarge
	case e.Status == http.StatusUnprocessableEntity, // too many samples, limits, cost_limit
		e.Status == http.StatusRequestEntityTooLarge, e.Status == http.StatusRequestURITooLong:
		return classLarge
	case e.Status == http.StatusBadRequest && strings.Contains(e.Message, "too long query"): // VictoriaMetrics
		return classLarge
	case e.Status == http.StatusGatewayTimeout:
		return classTimeout
	case e.Status >= 500, e.Status == http.StatusTooManyRequests, e.Status == 499: // 499: the server's own canceled
		return classFault
	}
	return classError
}

// smaller reports whether asking for less may help.
func (c class) smaller() bool { return c == classLarge || c == classTimeout }
