package rpc

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Errors of an Access; they travel as UNAUTHENTICATED and PERMISSION_DENIED. Any other
// error of an Access means that it could not decide, and travels as UNAVAILABLE.
var (
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("forbidden")
)

// An Access decides whether a caller has the permission that a call needs; nil if so.
// It may be called for every call, many at a time.
type Access func(ctx context.Context, caller Caller, need Permission) error

// A Caller is who calls, as far as the call proves it.
type Caller struct {
	// Token is the bearer token of the call; empty if there is none.
	Token string
	// Certificate is the client's, verified; nil if it showed none.
	Certificate *x509.Certificate
}

// A Permission is what a call needs, in the terms of Kubernetes' RBAC. An empty
// Namespace means all of them.
type Permission struct {
	Verb, Group, Resource, Namespace string
}

func (p Permission) String() string {
	where := "in all namespaces"
	if p.Namespace != "" {
		where = "in namespace " + p.Namespace
	}
	return fmt.Sprintf("%s %s.%s %s", p.Verb, p.Resource, p.Group, where)
}

const (
	ours  = "runcast.dev"
	batch = "batch"
)

// permissions are what each method needs. Who may see a namespace's Jobs may see where
// they stand in the queue; everything else is a resource of Runcast's own.
var permissions = map[string]Permission{
	"PredictorService/Predict":          {"create", ours, "estimates", ""},
	"PredictorService/PredictBatch":     {"create", ours, "estimates", ""},
	"PredictorService/PredictRemaining": {"create", ours, "estimates", ""},
	"PredictorService/Explain":          {"list", ours, "jobrecords", ""}, // it names past jobs
	"HistoryService/ListRecords":        {"list", ours, "jobrecords", ""},
	"HistoryService/WatchRecords":       {"watch", ours, "jobrecords", ""},
	"HistoryService/RecordJobs":         {"create", ours, "jobrecords", ""},
	"ModelService/GetModel":             {"get", ours, "models", ""},
	"ModelService/WatchModel":           {"watch", ours, "models", ""},
	"ModelService/ListModels":           {"list", ours, "models", ""},
	"ModelService/PublishModel":         {"create", ours, "models", ""},
	"ModelService/PromoteModel":         {"update", ours, "models", ""},
	"StoreService/BackUpStore":          {"get", ours, "stores", ""},
	"QueueService/ListQueue":            {"list", batch, "jobs", ""}, // of the namespace asked for
	"QueueService/WatchQueue":           {"watch", batch, "jobs", ""},
	"QueueService/GetEta":               {"get", batch, "jobs", ""},
	"QueueService/GetLoad":              {"list", batch, "jobs", ""}, // of all namespaces
}

// open reports whether everyone may call a method: health, for probes, and reflection.
func open(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.") || strings.HasPrefix(method, "/grpc.reflection.")
}

// permission is what a call of method with request needs; false if there is no rule.
func permission(method string, request any) (Permission, bool) {
	need, ok := permissions[methodLabel(method)]
	if r, namespaced := request.(interface{ GetNamespace() string }); namespaced {
		need.Namespace = r.GetNamespace()
	}
	return need, ok
}

// admit asks the server's Access, if it has one, about a call.
func (s *Server) admit(ctx context.Context, method string, request any) error {
	if s.config.Access == nil || open(method) {
		return nil
	}
	need, ok := permission(method, request)
	if !ok {
		return fmt.Errorf("%s: %w to everyone", methodLabel(method), ErrForbidden)
	}
	err := s.config.Access(ctx, callerOf(ctx), need)
	if err != nil && !errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrForbidden) {
		return &undecidedError{err}
	}
	return err
}

// An undecidedError is of an Access that could not tell.
type undecidedError struct{ error }

func (e *undecidedError) Unwrap() error { return e.error }

func callerOf(ctx context.Context) Caller {
	var c Caller
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "bearer") {
			c.Token = strings.TrimSpace(token)
		}
	}
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
			c.Certificate = info.State.VerifiedChains[0][0]
		}
	}
	return c
}

// An admittedStream is a stream whose call is admitted once its first request is known.
type admittedStream struct {
	grpc.ServerStream
	server  *Server
	method  string
	checked bool
}

func (s *admittedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil || s.checked {
		return err
	}
	s.checked = true
	return s.server.admit(s.Context(), s.method, m)
}

// tokenFile sends the token in the file with every call. It is read each time: whoever
// writes it there renews it.
type tokenFile struct {
	path   string
	secure bool // never in the clear
}

func (t tokenFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(t.path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

func (t tokenFile) RequireTransportSecurity() bool { return t.secure }
