package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
)

// errStopping ends the watches of a server that stops.
var errStopping = status.Error(codes.Unavailable, "the server is stopping")

// A panicError is what became of a handler that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// unary runs every unary call: a panic becomes an error, an error a status, and
// both are logged and counted.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	seen(ctx)
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, &panicError{p, debug.Stack()}
		}
		if errors.Is(err, predictor.ErrNoModel) {
			// Loading a model takes longer than a client would retry.
			err = errors.Join(err, grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "-1")))
		}
		err = s.conclude(ctx, info.FullMethod, start, err)
		s.metrics.duration.WithLabelValues(methodLabel(info.FullMethod)).Observe(time.Since(start).Seconds())
	}()
	if err := ctx.Err(); err != nil { // the deadline passed on the way here
		return nil, err
	}
	if err := s.admit(ctx, info.FullMethod, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// stream does the same for streams, and ends the watches when the server stops.
func (s *Server) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	seen(stream.Context())
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
		err = s.conclude(stream.Context(), info.FullMethod, start, err)
	}()
	stream = &admittedStream{ServerStream: stream, server: s, method: info.FullMethod}
	if !strings.HasPrefix(path.Base(info.FullMethod), "Watch") {
		return handler(srv, stream)
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	stop := context.AfterFunc(s.stopping, func() { cancel(errStopping) })
	defer stop()
	err = handler(srv, &watchStream{stream, ctx})
	if errors.Is(context.Cause(ctx), errStopping) {
		return errStopping
	}
	return err
}

// A watchStream is a stream whose context ends when the server stops.
type watchStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *watchStream) Context() context.Context { return s.ctx }

// conclude logs and counts a call and returns its error as a status.
func (s *Server) conclude(ctx context.Context, method string, start time.Time, err error) error {
	st := toStatus(err)
	level := slog.LevelDebug
	var undecided *undecidedError
	switch code := st.Code(); {
	case code == codes.Internal, code == codes.Unknown, code == codes.DataLoss, errors.As(err, &undecided): // somebody has to look at it
		level = slog.LevelError
	case code == codes.Unauthenticated, code == codes.PermissionDenied, code == codes.InvalidArgument, code == codes.ResourceExhausted:
		level = slog.LevelWarn
	}
	s.report(ctx, method, start, st, err, level)
	return st.Err()
}

// report logs and counts a call.
func (s *Server) report(ctx context.Context, method string, start time.Time, st *status.Status, err error, level slog.Level) {
	s.metrics.requests.WithLabelValues(methodLabel(method), st.Code().String()).Inc()
	if s.log.Enabled(ctx, level) {
		attrs := []slog.Attr{
			slog.String("method", methodLabel(method)),
			slog.String("code", st.Code().String()),
			slog.Duration("duration", time.Since(start)),
		}
		if p, ok := peer.FromContext(ctx); ok {
			attrs = append(attrs, slog.String("peer", p.Addr.String()))
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		var panicked *panicError
		if errors.As(err, &panicked) {
			attrs = append(attrs, slog.String("stack", string(panicked.stack)))
		}
		s.log.LogAttrs(ctx, level, "rpc", attrs...)
	}
}
