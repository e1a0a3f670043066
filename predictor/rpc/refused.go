package rpc

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// refusals log and count the calls that gRPC ends before an interceptor sees them: their
// message is too large, or is none of ours.
type refusals struct{ *Server }

// A call that an interceptor has seen is concluded there.
type call struct {
	method string
	begun  time.Time
	seen   atomic.Bool
}

type callKey struct{}

// seen notes that an interceptor has taken a call over.
func seen(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.seen.Store(true)
	}
}

// TagRPC implements stats.Handler.
func (r refusals) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, callKey{}, &call{method: info.FullMethodName, begun: time.Now()})
}

// HandleRPC implements stats.Handler.
func (r refusals) HandleRPC(ctx context.Context, s stats.RPCStats) {
	end, ended := s.(*stats.End)
	c, tagged := ctx.Value(callKey{}).(*call)
	if ended && tagged && end.Error != nil && !c.seen.Load() {
		r.report(ctx, c.method, c.begun, status.Convert(end.Error), end.Error, slog.LevelWarn)
	}
}

// TagConn implements stats.Handler.
func (r refusals) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (r refusals) HandleConn(context.Context, stats.ConnStats) {}
