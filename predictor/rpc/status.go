package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/runcast/runcast/predictor"
)

// errorDomain is the domain of the ErrorInfo that goes with a sentinel.
const errorDomain = "runcast.dev"

// sentinels is how the sentinels that a port returns travel: as a code and, since others
// use the code as well (UNAVAILABLE is also a broken connection), as the reason of
// an ErrorInfo.
var sentinels = []struct {
	err    error
	code   codes.Code
	reason string
}{
	{predictor.ErrNoModel, codes.Unavailable, "NO_MODEL"},
	{predictor.ErrNotFound, codes.NotFound, "NOT_FOUND"},
	{predictor.ErrDamaged, codes.DataLoss, "DAMAGED"},
}

// contextErrors have a code of their own and need no reason.
var contextErrors = []struct {
	err  error
	code codes.Code
}{
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
}

// maxViolations bounds a BadRequest: details travel in a header, which must stay small.
const maxViolations = 16

// toStatus is the status of a handler's error. What it does not know is INTERNAL
// and says nothing of itself; the server's log does.
func toStatus(err error) *status.Status {
	var invalid *predictor.ValidationError
	if errors.As(err, &invalid) {
		return badRequest(invalid)
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return withDetails(status.New(s.code, err.Error()), &errdetails.ErrorInfo{Reason: s.reason, Domain: errorDomain})
		}
	}
	if st, ok := status.FromError(err); ok { // nil, gRPC's own services, or a server behind this one
		return st
	}
	var undecided *undecidedError
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return status.New(codes.Unauthenticated, err.Error())
	case errors.Is(err, ErrForbidden):
		return status.New(codes.PermissionDenied, err.Error())
	case errors.As(err, &undecided):
		return status.New(codes.Unavailable, "who may call cannot be decided now; the server's log tells more")
	}
	for _, c := range contextErrors {
		if errors.Is(err, c.err) {
			return status.New(c.code, c.err.Error())
		}
	}
	return status.New(codes.Internal, "internal error; the server's log tells more")
}

func badRequest(invalid *predictor.ValidationError) *status.Status {
	found := invalid.Violations
	shown := found[:min(len(found), maxViolations)]
	detail := &errdetails.BadRequest{}
	for _, v := range shown {
		detail.FieldViolations = append(detail.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: v.Field, Description: "expected " + v.Expected, Reason: "INVALID_VALUE",
		})
	}
	text := (&predictor.ValidationError{Violations: shown}).Error()
	if more := len(found) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return withDetails(status.New(codes.InvalidArgument, text), detail)
}

// withDetails adds a detail; one that does not encode is left out, the code stands.
func withDetails(st *status.Status, detail protoadapt.MessageV1) *status.Status {
	detailed, err := st.WithDetails(detail)
	if err != nil {
		return st
	}
	return detailed
}

// A remoteError is an error of the server as the client sees it: it reads as the
// server wrote it and unwraps to what it stands for.
type remoteError struct {
	status *status.Status
	cause  error
}

func (e *remoteError) Error() string              { return e.status.Message() }
func (e *remoteError) Unwrap() error              { return e.cause }
func (e *remoteError) GRPCStatus() *status.Status { return e.status }

// fromStatus is the inverse of toStatus: the error that method's status stands for.
func fromStatus(method string, err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return fmt.Errorf("%s: %w", method, err)
	}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.BadRequest:
			if st.Code() == codes.InvalidArgument {
				return &remoteError{st, validationError(d)}
			}
		case *errdetails.ErrorInfo:
			for _, s := range sentinels {
				if d.GetDomain() == errorDomain && d.GetReason() == s.reason && st.Code() == s.code {
					return &remoteError{st, s.err}
				}
			}
		}
	}
	for _, c := range contextErrors {
		if st.Code() == c.code {
			return fmt.Errorf("%s: %w", method, &remoteError{st, c.err})
		}
	}
	return fmt.Errorf("%s: %w", method, err)
}

func validationError(d *errdetails.BadRequest) *predictor.ValidationError {
	invalid := &predictor.ValidationError{}
	for _, f := range d.GetFieldViolations() {
		invalid.Violations = append(invalid.Violations, predictor.Violation{
			Field: f.GetField(), Expected: strings.TrimPrefix(f.GetDescription(), "expected "),
		})
	}
	return invalid
}
