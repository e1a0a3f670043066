package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// Defaults of the zero values of ServerConfig.
const (
	DefaultMaxReceiveBytes = 8 << 20
	DefaultMaxSendBytes    = 64 << 20
	DefaultStopTimeout     = 10 * time.Second
)

const (
	// keepaliveTime is how long a connection may be silent before either side pings,
	// keepaliveTimeout how long it then waits before it takes the other for dead.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	// maxConnectionAge is after what time clients are asked to connect anew, so that
	// they find new replicas. Streams under way are not ended by it.
	maxConnectionAge = 30 * time.Minute
	// minPing is the shortest interval of a client's pings that a server bears; half
	// of the shortest that grpc-go's client allows itself.
	minPing = 5 * time.Second
	// maxStreams bounds the concurrent calls of one connection.
	maxStreams = 1024
)

// ServerConfig configures a Server. Only Listen has no default.
type ServerConfig struct {
	// Listen is the TCP address to serve on, as host:port. An empty host means
	// every interface.
	Listen string
	// TLS turns on encryption. It may be nil on a loopback address, and elsewhere
	// only with Insecure.
	TLS *ServerTLS
	// Insecure allows to listen without TLS beyond loopback: whoever reaches the
	// address can read and write everything.
	Insecure bool
	// Access decides who may call what; health and reflection are for everyone. Nil
	// lets everyone call everything who reaches the address, and whom TLS lets in.
	Access Access
	// MaxReceiveBytes is the largest message accepted, MaxSendBytes the largest
	// sent. One job with all its fields at their limits is 5 MiB; a queue of
	// 100,000 jobs is about 50 MiB.
	MaxReceiveBytes, MaxSendBytes int
	// StopTimeout bounds how long calls under way may take once the server stops.
	StopTimeout time.Duration
}

func (c *ServerConfig) setDefaults() {
	c.MaxReceiveBytes = cmp.Or(c.MaxReceiveBytes, DefaultMaxReceiveBytes)
	c.MaxSendBytes = cmp.Or(c.MaxSendBytes, DefaultMaxSendBytes)
	c.StopTimeout = cmp.Or(c.StopTimeout, DefaultStopTimeout)
}

func (c *ServerConfig) validate() error {
	if c.Listen == "" {
		return errors.New("listen is not set, expected host:port")
	}
	if c.TLS == nil && !c.Insecure && !loopback(c.Listen) {
		return fmt.Errorf("listen on %s without TLS: set the TLS certificate and key files, or insecure: true, or listen on a loopback address", c.Listen)
	}
	if c.Access != nil && c.TLS == nil && !loopback(c.Listen) {
		return fmt.Errorf("listen on %s with authorization but without TLS: tokens would be sent in the clear", c.Listen)
	}
	if c.MaxReceiveBytes < 0 || c.MaxSendBytes < 0 || c.StopTimeout < 0 {
		return errors.New("a limit is negative")
	}
	return nil
}

// A Server serves ports over gRPC, with the standard health service, reflection
// and metrics. Register ports, then call Run or Serve, once.
type Server struct {
	config   ServerConfig
	log      *slog.Logger
	metrics  *metrics
	grpc     *grpc.Server
	health   *health.Server
	stopping context.Context // ends when the server stops, and ends the watches
	stop     context.CancelFunc
}

// NewServer makes a server that is not listening yet. It registers its metrics
// with reg, which may be nil.
func NewServer(config ServerConfig, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("gRPC server: %w", err)
	}
	config.setDefaults()
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("gRPC server: %w", err)
	}
	transport := insecure.NewCredentials()
	if config.TLS != nil {
		files, err := newFiles(config.TLS.load, log)
		if err != nil {
			return nil, fmt.Errorf("gRPC server: %w", err)
		}
		transport = &fileCredentials{files, func(from net.Addr, err error) {
			log.Warn("TLS handshake failed", "peer", from.String(), "error", err)
			metrics.handshakes.Inc()
		}}
	}
	s := &Server{config: config, log: log, metrics: metrics, health: health.NewServer()}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(
		grpc.Creds(transport),
		grpc.StatsHandler(refusals{s}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(config.MaxReceiveBytes),
		grpc.MaxSendMsgSize(config.MaxSendBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, MaxConnectionAge: maxConnectionAge}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.RegisterV1(s.grpc)
	return s, nil
}

// RegisterEstimator serves e as PredictorService.
func (s *Server) RegisterEstimator(e predictor.Estimator) {
	pb.RegisterPredictorServiceServer(s.grpc, &predictorServer{estimator: e})
	s.serving(pb.PredictorService_ServiceDesc)
}

// RegisterHistory serves h as HistoryService.
func (s *Server) RegisterHistory(h predictor.History) {
	pb.RegisterHistoryServiceServer(s.grpc, &historyServer{history: h})
	s.serving(pb.HistoryService_ServiceDesc)
}

// RegisterModels serves m as ModelService.
func (s *Server) RegisterModels(m predictor.Models) {
	pb.RegisterModelServiceServer(s.grpc, &modelServer{models: m})
	s.serving(pb.ModelService_ServiceDesc)
}

// RegisterQueue serves q as QueueService.
func (s *Server) RegisterQueue(q predictor.Queue) {
	pb.RegisterQueueServiceServer(s.grpc, &queueServer{queue: q})
	s.serving(pb.QueueService_ServiceDesc)
}

// RegisterBackup serves as StoreService what backUp writes: a copy of the file of
// history and models.
func (s *Server) RegisterBackup(backUp func(context.Context, io.Writer) error) {
	pb.RegisterStoreServiceServer(s.grpc, &storeServer{backUp: backUp})
	s.serving(pb.StoreService_ServiceDesc)
}

// serving makes the health service tell of a service.
func (s *Server) serving(service grpc.ServiceDesc) {
	s.health.SetServingStatus(service.ServiceName, healthpb.HealthCheckResponse_SERVING)
}

// Run listens on the configured address and serves until ctx ends; see Serve.
func (s *Server) Run(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return fmt.Errorf("gRPC server: %w", err)
	}
	return s.Serve(ctx, listener)
}

// Serve serves on listener, and closes it, until ctx ends. Then it takes no new
// calls, ends the watches, lets the other calls finish for as long as StopTimeout
// and returns nil.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.stop()
	s.countRefusals()
	s.log.Info("serving gRPC", "address", listener.Addr().String(), "tls", s.config.TLS != nil)
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(listener) }()
	select {
	case err := <-served:
		s.grpc.Stop()
		return fmt.Errorf("gRPC server: %w", err)
	case <-ctx.Done():
	}
	s.shutdown()
	if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
		return err
	}
	return nil
}

// countRefusals lets the counters of refused calls begin at zero: of one that begins at
// one, Prometheus sees no increase.
func (s *Server) countRefusals() {
	if s.config.Access == nil {
		return
	}
	for service, info := range s.grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			if full := "/" + service + "/" + m.Name; !open(full) {
				for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied} {
					s.metrics.requests.WithLabelValues(methodLabel(full), code.String())
				}
			}
		}
	}
}

func (s *Server) shutdown() {
	s.stop()
	finished := make(chan struct{})
	go func() {
		s.grpc.GracefulStop() // waits even for handlers that ignore their context
		close(finished)
	}()
	timeout := time.NewTimer(s.config.StopTimeout)
	defer timeout.Stop()
	select {
	case <-finished:
	case <-timeout.C:
		s.log.Warn("gRPC server: calls under way are cut off", "after", s.config.StopTimeout)
		s.grpc.Stop()
	}
}
