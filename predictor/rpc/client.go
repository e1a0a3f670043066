package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// DefaultTimeout is the default of ClientConfig.Timeout.
const DefaultTimeout = 10 * time.Second

// ClientConfig configures a Client. Only Target has no default.
type ClientConfig struct {
	// Target is the server as host:port, or any gRPC target. Calls are spread over
	// all addresses of the host: over all replicas, if it is a headless Service.
	Target string
	// TLS turns on encryption. It may be nil for a loopback target, and elsewhere
	// only with Insecure.
	TLS *ClientTLS
	// Insecure allows to talk without TLS beyond loopback.
	Insecure bool
	// TokenFile, if set, holds a bearer token that is sent with every call; it is read
	// for each, so that it may be renewed. Beyond loopback that needs TLS.
	TokenFile string
	// Timeout is the deadline of a unary call whose context has none. Streams have
	// no deadline but their context's.
	Timeout time.Duration
	// WaitForReady makes calls wait for the server, up to their deadline, instead
	// of failing while it cannot be reached.
	WaitForReady bool
	// MaxReceiveBytes is the largest message accepted; the server's MaxSendBytes
	// is its counterpart.
	MaxReceiveBytes int
}

func (c *ClientConfig) setDefaults() {
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.MaxReceiveBytes = cmp.Or(c.MaxReceiveBytes, DefaultMaxSendBytes)
}

func (c *ClientConfig) validate() error {
	if c.Target == "" {
		return errors.New("target is not set, expected host:port")
	}
	if c.TLS == nil && !c.Insecure && !loopback(c.Target) {
		return fmt.Errorf("connect to %s without TLS: set TLS, or insecure: true", c.Target)
	}
	if c.TokenFile != "" && c.TLS == nil && !loopback(c.Target) {
		return fmt.Errorf("connect to %s with a token but without TLS: it would be sent in the clear", c.Target)
	}
	if c.Timeout < 0 || c.MaxReceiveBytes < 0 {
		return errors.New("a limit is negative")
	}
	return nil
}

// serviceConfig spreads calls over all addresses of the target and retries those
// that may be repeated: at most three times within about a second and a half.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [
			{"service": "runcast.v1.PredictorService"},
			{"service": "runcast.v1.HistoryService", "method": "RecordJobs"},
			{"service": "runcast.v1.ModelService", "method": "ListModels"},
			{"service": "runcast.v1.QueueService", "method": "ListQueue"},
			{"service": "runcast.v1.QueueService", "method": "GetEta"},
			{"service": "runcast.v1.QueueService", "method": "GetLoad"}
		],
		"retryPolicy": {
			"maxAttempts": 4,
			"initialBackoff": "0.1s",
			"maxBackoff": "1s",
			"backoffMultiplier": 3,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

// maxRetryBytes is the largest request kept for a retry; above it a call is made once.
const maxRetryBytes = DefaultMaxReceiveBytes

// A Client is one connection's worth of remote ports. It connects when it is first
// used and again when the connection breaks. It is safe for concurrent use.
type Client struct {
	conn *grpc.ClientConn
}

// Dial makes a client; it does not wait for the server. Log gets what goes wrong
// with the TLS files later on.
func Dial(config ClientConfig, log *slog.Logger) (*Client, error) {
	return dial(config, log)
}

func dial(config ClientConfig, log *slog.Logger, options ...grpc.DialOption) (*Client, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("gRPC client: %w", err)
	}
	config.setDefaults()
	transport := insecure.NewCredentials()
	if config.TLS != nil {
		files, err := newFiles(config.TLS.load, log)
		if err != nil {
			return nil, fmt.Errorf("gRPC client: %w", err)
		}
		transport = &fileCredentials{files: files}
	}
	if config.TokenFile != "" {
		if _, err := os.Stat(config.TokenFile); err != nil {
			return nil, fmt.Errorf("gRPC client: token: %w", err)
		}
		options = append(options, grpc.WithPerRPCCredentials(tokenFile{config.TokenFile, config.TLS != nil}))
	}
	conn, err := grpc.NewClient(config.Target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // from DNS
		grpc.WithUnaryInterceptor(unaryClient(config.Timeout)),
		grpc.WithStreamInterceptor(streamClient),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithDefaultCallOptions(
			grpc.WaitForReady(config.WaitForReady),
			grpc.MaxCallRecvMsgSize(config.MaxReceiveBytes),
			grpc.MaxRetryRPCBufferSize(maxRetryBytes),
		),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("gRPC client: %w", err)
	}
	return &Client{conn: conn}, nil
}

// Close ends the connection and every call under way.
func (c *Client) Close() error { return c.conn.Close() }

// Estimator is the PredictorService of the server.
func (c *Client) Estimator() predictor.Estimator {
	return &estimatorClient{pb.NewPredictorServiceClient(c.conn)}
}

// History is the HistoryService of the server. Follow yields an error when the
// connection breaks; follow again after the last sequence seen.
func (c *Client) History() predictor.History {
	return &historyClient{pb.NewHistoryServiceClient(c.conn)}
}

// Models is the ModelService of the server. Watch yields an error when the
// connection breaks; watch again to get the champion of then.
func (c *Client) Models() predictor.Models {
	return &modelsClient{pb.NewModelServiceClient(c.conn)}
}

// Queue is the QueueService of the server. WatchWaiting yields an error when the
// connection breaks; watch again to get the queue of then.
func (c *Client) Queue() predictor.Queue {
	return &queueClient{pb.NewQueueServiceClient(c.conn)}
}

// unaryClient gives calls their default deadline and turns statuses into errors.
func unaryClient(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		return fromStatus(methodLabel(method), invoke(ctx, method, req, reply, conn, options...))
	}
}

func streamClient(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, fromStatus(methodLabel(method), err)
	}
	return &clientStream{stream, methodLabel(method)}, nil
}

// A clientStream turns the status that ends a stream into an error.
type clientStream struct {
	grpc.ClientStream
	method string
}

func (s *clientStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fromStatus(s.method, err)
}

// errEnded is what a watch yields that ended without an error of its own.
var errEnded = fmt.Errorf("the server ended the stream: %w", io.ErrUnexpectedEOF)
