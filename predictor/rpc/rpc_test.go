package rpc

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

// A link is a running server with a client, in memory.
type link struct {
	*Client
	server   *Server
	listener *bufconn.Listener
	registry *prometheus.Registry
	log      *lockedBuffer
	stop     func() error // stops the server and returns what Serve returned
}

type linkConfig struct {
	server ServerConfig
	client ClientConfig
}

// newLink starts a server with what register registers.
func newLink(t testing.TB, register func(*Server), change ...func(*linkConfig)) *link {
	t.Helper()
	config := linkConfig{
		server: ServerConfig{Listen: "localhost:0", StopTimeout: time.Minute},
		client: ClientConfig{Target: "passthrough:///localhost", Timeout: time.Minute}, // on a busy machine, under the race detector
	}
	for _, c := range change {
		c(&config)
	}
	l := &link{listener: bufconn.Listen(1 << 20), registry: prometheus.NewRegistry(), log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if l.server, err = NewServer(config.server, log, l.registry); err != nil {
		t.Fatal(err)
	}
	register(l.server)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.server.Serve(ctx, l.listener) }()
	l.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	l.Client = l.dial(t, config.client)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := l.stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l
}

// dial makes another client of the server.
func (l *link) dial(t testing.TB, config ClientConfig, options ...grpc.DialOption) *Client {
	t.Helper()
	options = append(options, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return l.listener.DialContext(ctx)
	}))
	client, err := dial(config, slog.New(slog.DiscardHandler), options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// A lockedBuffer takes the log of many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
