package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
)

func TestErrorsRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code codes.Code
	}{
		{predictor.ErrNoModel, codes.Unavailable},
		{predictor.ErrNotFound, codes.NotFound},
		{predictor.ErrDamaged, codes.DataLoss},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{context.Canceled, codes.Canceled},
	} {
		for _, sent := range []error{tt.err, fmt.Errorf("model 7: %w", tt.err)} {
			st := toStatus(sent)
			if st.Code() != tt.code {
				t.Errorf("%v: code %v, want %v", sent, st.Code(), tt.code)
			}
			got := fromStatus("S/M", st.Err())
			if !errors.Is(got, tt.err) || status.Code(got) != tt.code {
				t.Errorf("%v arrived as %v", sent, got)
			}
			for _, other := range append(sentinelErrors(), context.Canceled, context.DeadlineExceeded) {
				if errors.Is(got, other) != errors.Is(tt.err, other) {
					t.Errorf("%v arrived as %v: is it %v?", sent, got, other)
				}
			}
			if again := toStatus(got); again.Code() != tt.code { // a server behind a server
				t.Errorf("%v: code %v when passed on", got, again.Code())
			}
		}
	}
	if st := toStatus(nil); st.Code() != codes.OK || fromStatus("S/M", st.Err()) != nil {
		t.Errorf("no error became %v", st)
	}
}

func sentinelErrors() []error {
	var all []error
	for _, s := range sentinels {
		all = append(all, s.err)
	}
	return all
}

func TestSentinelsKeepTheirText(t *testing.T) {
	sent := fmt.Errorf("eta ns/job: %w", predictor.ErrNotFound)
	if got := fromStatus("S/M", toStatus(sent).Err()); got.Error() != sent.Error() {
		t.Errorf("%q arrived as %q", sent, got)
	}
}

func TestValidationErrorsRoundTrip(t *testing.T) {
	for _, n := range []int{1, 3, maxViolations, maxViolations + 5} {
		sent := &predictor.ValidationError{}
		for i := range n {
			sent.Violations = append(sent.Violations, predictor.Violation{Field: fmt.Sprintf("jobs[%d].pods", i), Expected: "from 0 to 9"})
		}
		st := toStatus(fmt.Errorf("put: %w", sent))
		if st.Code() != codes.InvalidArgument {
			t.Errorf("code %v", st.Code())
		}
		var got *predictor.ValidationError
		err := fromStatus("S/M", st.Err())
		if !errors.As(err, &got) {
			t.Fatalf("arrived as %v", err)
		}
		if len(got.Violations) != min(n, maxViolations) {
			t.Errorf("%d violations arrived of %d", len(got.Violations), n)
		}
		for i, v := range got.Violations {
			if v != sent.Violations[i] {
				t.Errorf("violation %+v arrived as %+v", sent.Violations[i], v)
			}
		}
		if more := strings.HasSuffix(err.Error(), "; and 5 more"); more != (n > maxViolations) {
			t.Errorf("%d violations read %q", n, err)
		}
	}
}

// What the table does not know stays in the log.
func TestUnknownErrorsAreInternal(t *testing.T) {
	st := toStatus(fmt.Errorf("open /secret/path: %w", io.ErrClosedPipe))
	if st.Code() != codes.Internal || strings.Contains(st.Message(), "secret") || len(st.Details()) != 0 {
		t.Errorf("status %v", st)
	}
}

// Only our reason in our domain with its code makes a sentinel of a status.
func TestForeignStatuses(t *testing.T) {
	info := func(code codes.Code, reason, domain string) *status.Status {
		return withDetails(status.New(code, "x"), &errdetails.ErrorInfo{Reason: reason, Domain: domain})
	}
	for _, st := range []*status.Status{
		status.New(codes.Unavailable, "connection refused"),
		status.New(codes.NotFound, "x"),
		status.New(codes.InvalidArgument, "x"),
		info(codes.Unavailable, "NO_MODEL", "example.com"),
		info(codes.Unavailable, "OTHER", errorDomain),
		info(codes.NotFound, "NO_MODEL", errorDomain),
		withDetails(status.New(codes.NotFound, "x"), &errdetails.BadRequest{}),
	} {
		err := fromStatus("S/M", st.Err())
		var invalid *predictor.ValidationError
		if status.Code(err) != st.Code() || errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), "S/M: ") {
			t.Errorf("%v became %v", st, err)
		}
		for _, s := range sentinelErrors() {
			if errors.Is(err, s) {
				t.Errorf("%v became %v", st, s)
			}
		}
	}
}
