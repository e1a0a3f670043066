package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// mustEstimate checks that the server is up.
func (l *link) mustEstimate(t *testing.T) {
	t.Helper()
	if _, err := l.Estimator().Estimate(t.Context(), someJobs(1)); err != nil {
		t.Errorf("the server is down: %v", err)
	}
}

func TestPanicIsInternal(t *testing.T) {
	local := oracle{before: func(context.Context) error { panic("division by cucumber") }}
	l := newLink(t, func(s *Server) {
		s.RegisterEstimator(&local)
		pb.RegisterQueueServiceServer(s.grpc, panickingQueue{})
	})
	_, err := l.Estimator().Estimate(t.Context(), someJobs(1))
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "cucumber") {
		t.Errorf("error %v", err)
	}
	for _, err = range l.Queue().WatchWaiting(t.Context(), "") {
	}
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "turnip") {
		t.Errorf("error of the stream %v", err)
	}
	for _, want := range []string{"cucumber", "turnip", "level=ERROR", "fake_test.go", "method=QueueService/WatchQueue", "code=Internal"} {
		if !strings.Contains(l.log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, l.log)
		}
	}
	local.before = nil
	l.mustEstimate(t)
}

type panickingQueue struct {
	pb.UnimplementedQueueServiceServer
}

func (panickingQueue) WatchQueue(*pb.WatchQueueRequest, grpc.ServerStreamingServer[pb.WatchQueueResponse]) error {
	panic("turnip")
}

func TestInternalErrorsStayInTheLog(t *testing.T) {
	local := oracle{before: func(context.Context) error { return errors.New("password is swordfish") }}
	l := newLink(t, withOracle(&local))
	_, err := l.Estimator().Estimate(t.Context(), someJobs(1))
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(l.log.String(), "swordfish") {
		t.Errorf("the log does not say why:\n%s", l.log)
	}
}

func TestMetrics(t *testing.T) {
	local := oracle{}
	l := newLink(t, func(s *Server) {
		s.RegisterEstimator(&local)
		s.RegisterQueue(newLine())
	})
	l.mustEstimate(t)
	l.mustEstimate(t)
	local.before = func(context.Context) error { return predictor.ErrNoModel }
	if _, err := l.Estimator().Estimate(t.Context(), someJobs(1)); !errors.Is(err, predictor.ErrNoModel) {
		t.Fatal(err)
	}
	if _, err := l.Queue().ETA(t.Context(), "ns", "job"); !errors.Is(err, predictor.ErrNotFound) {
		t.Fatal(err)
	}
	var reply wrapperspb.StringValue // a method that does not exist makes no series
	if err := l.conn.Invoke(t.Context(), "/runcast.v1.QueueService/Missing", &reply, &reply); status.Code(err) != codes.Unimplemented {
		t.Fatal(err)
	}
	want := `
# HELP runcast_rpc_requests_total Finished gRPC calls and streams by method and status code.
# TYPE runcast_rpc_requests_total counter
runcast_rpc_requests_total{code="NotFound",method="QueueService/GetEta"} 1
runcast_rpc_requests_total{code="OK",method="PredictorService/PredictBatch"} 2
runcast_rpc_requests_total{code="Unavailable",method="PredictorService/PredictBatch"} 1
`
	if err := testutil.GatherAndCompare(l.registry, strings.NewReader(want), "runcast_rpc_requests_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(l.registry, "runcast_rpc_request_duration_seconds"); n != 2 || err != nil {
		t.Errorf("%d histograms, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(l.registry); len(problems) > 0 || err != nil {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func TestHealth(t *testing.T) {
	l := newLink(t, func(s *Server) {
		s.RegisterEstimator(&oracle{})
		s.RegisterQueue(newLine())
	})
	health := healthpb.NewHealthClient(l.conn)
	for _, service := range []string{"", "runcast.v1.QueueService", "runcast.v1.PredictorService"} {
		resp, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v, want it to be serving", service, resp.GetStatus(), err)
		}
	}
	if _, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "runcast.v1.HistoryService"}); status.Code(err) != codes.NotFound {
		t.Errorf("a service that is not registered: %v", err)
	}
}

// Reflection lists what is served.
func TestReflection(t *testing.T) {
	s := openStore(t)
	l := newLink(t, func(server *Server) {
		withStore(s)(server)
		server.RegisterEstimator(&oracle{})
		server.RegisterQueue(newLine())
	})
	stream, err := reflectionpb.NewServerReflectionClient(l.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, service := range resp.GetListServicesResponse().GetService() {
		got = append(got, service.GetName())
	}
	want := []string{
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
		"runcast.v1.HistoryService", "runcast.v1.ModelService", "runcast.v1.PredictorService", "runcast.v1.QueueService",
		"runcast.v1.StoreService",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTooLargeMessages(t *testing.T) {
	jobs := someJobs(1000)
	l := newLink(t, func(s *Server) { s.RegisterEstimator(&oracle{}) }, func(c *linkConfig) { c.server.MaxReceiveBytes = 1 << 10 })
	if _, err := l.Estimator().Estimate(t.Context(), jobs); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large request: %v", err)
	}
	l.mustEstimate(t)
	l.wantRefusal(t, "PredictorService/PredictBatch", codes.ResourceExhausted)

	l = newLink(t, func(s *Server) { s.RegisterEstimator(&oracle{}) }, func(c *linkConfig) { c.server.MaxSendBytes = 1 << 10 })
	if _, err := l.Estimator().Estimate(t.Context(), jobs); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large response: %v", err)
	}
	l.mustEstimate(t)

	l = newLink(t, func(s *Server) { s.RegisterEstimator(&oracle{}) }, func(c *linkConfig) { c.client.MaxReceiveBytes = 1 << 10 })
	if _, err := l.Estimator().Estimate(t.Context(), jobs); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a response too large for the client: %v", err)
	}
	l.mustEstimate(t)
}

// A passThrough codec sends bytes as they are.
type passThrough struct{}

func (passThrough) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (passThrough) Unmarshal(b []byte, v any) error { *v.(*[]byte) = bytes.Clone(b); return nil }
func (passThrough) Name() string                    { return "proto" }

func TestMalformedMessages(t *testing.T) {
	l := newLink(t, func(s *Server) {
		withStore(openStore(t))(s)
		s.RegisterEstimator(&oracle{})
		s.RegisterQueue(newLine())
	})
	garbage := []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff}
	for method := range l.methods() {
		var reply []byte
		err := l.conn.Invoke(t.Context(), method, &garbage, &reply, grpc.ForceCodec(passThrough{}))
		if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "unmarshal") { // as gRPC has it
			t.Errorf("%s: %v", method, err)
		}
		l.wantRefusal(t, methodLabel(method), codes.Internal)
	}
	l.mustEstimate(t)
}

// wantRefusal waits until a call of a method that ended with a code is counted, and logged
// as a warning or worse: the server does so after it has answered.
func (l *link) wantRefusal(t *testing.T, method string, code codes.Code) {
	t.Helper()
	said := regexp.MustCompile(fmt.Sprintf("level=(WARN|ERROR) msg=rpc method=%s code=%s", method, code))
	var counted float64
	for range 10_000 {
		counted = testutil.ToFloat64(l.server.metrics.requests.WithLabelValues(method, code.String()))
		if counted == 1 && said.MatchString(l.log.String()) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%s: %v calls with code %v are counted, want 1; the log:\n%s", method, counted, code, l.log)
}

// methods yields the full names of our methods.
func (l *link) methods() func(func(string) bool) {
	return func(yield func(string) bool) {
		for service, info := range l.server.grpc.GetServiceInfo() {
			for _, m := range info.Methods {
				if strings.HasPrefix(service, "runcast.") && !yield("/"+service+"/"+m.Name) {
					return
				}
			}
		}
	}
}

// A deadline that has passed on the way to the server costs no work.
func TestExpiredDeadline(t *testing.T) {
	var local oracle
	l := newLink(t, withOracle(&local))
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, err := l.server.unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/runcast.v1.PredictorService/PredictBatch"},
		func(context.Context, any) (any, error) { t.Error("the handler ran"); return nil, nil })
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("server: %v", err)
	}
	if _, err := l.Estimator().Estimate(ctx, someJobs(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("client: %v", err)
	}
}

// On shutdown a call under way finishes while the watches end at once.
func TestGracefulStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := oracle{before: func(ctx context.Context) error { time.Sleep(30 * time.Second); return ctx.Err() }}
		l := newLink(t, func(s *Server) {
			s.RegisterEstimator(&local)
			s.RegisterQueue(newLine())
		})
		start := time.Now()
		called, watched, health := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := l.Estimator().Estimate(ctx, someJobs(1))
			called <- err
		}()
		go func() {
			var last error
			for _, last = range l.Queue().WatchWaiting(t.Context(), "") {
			}
			watched <- last
		}()
		go func() {
			stream, err := healthpb.NewHealthClient(l.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
			for err == nil {
				_, err = stream.Recv()
			}
			health <- err
		}()
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- l.stop() }()
		for name, ended := range map[string]chan error{"queue": watched, "health": health} {
			if err := <-ended; status.Code(err) != codes.Unavailable || time.Since(start) != 0 {
				t.Errorf("watch of %s ended after %v with %v", name, time.Since(start), err)
			}
		}
		if err := <-called; err != nil {
			t.Errorf("the call under way: %v", err)
		}
		if err := <-stopped; err != nil || time.Since(start) != 30*time.Second {
			t.Errorf("stopped after %v with %v", time.Since(start), err)
		}
	})
}

// A call that does not end is cut off, even one that ignores its context.
func TestStopTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		local := oracle{before: func(context.Context) error { <-release; return nil }}
		l := newLink(t, withOracle(&local), func(c *linkConfig) { c.server.StopTimeout = 5 * time.Second })
		called := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := l.Estimator().Estimate(ctx, someJobs(1))
			called <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := l.stop(); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("stopped after %v with %v", time.Since(start), err)
		}
		if err := l.Close(); err != nil { // else the client would try again
			t.Error(err)
		}
		if err := <-called; err == nil {
			t.Error("the call was answered")
		}
		close(release)
		l.Client = l.dial(t, ClientConfig{Target: "localhost"}) // for the cleanup
	})
}

// A server told to stop before it serves returns.
func TestStopBeforeServing(t *testing.T) {
	s, err := NewServer(ServerConfig{Listen: "localhost:0"}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx, bufconn.Listen(1)); err != nil {
		t.Error(err)
	}
}

func TestNewServerRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		config ServerConfig
		want   string
	}{
		"nothing":              {ServerConfig{}, "listen is not set"},
		"every interface":      {ServerConfig{Listen: ":7000"}, "insecure: true"},
		"every interface, IP":  {ServerConfig{Listen: "0.0.0.0:7000"}, "insecure: true"},
		"every interface, IP6": {ServerConfig{Listen: "[::]:7000"}, "insecure: true"},
		"a name":               {ServerConfig{Listen: "runcast.example:7000"}, "insecure: true"},
		"loopback lookalike":   {ServerConfig{Listen: "localhost.example:7000"}, "insecure: true"},
		"negative limit":       {ServerConfig{Listen: "localhost:7000", MaxReceiveBytes: -1}, "negative"},
		"no certificate":       {ServerConfig{Listen: ":7000", TLS: &ServerTLS{CertFile: "none.pem", KeyFile: "none.pem"}}, "none.pem"},
	} {
		if _, err := NewServer(tt.config, slog.New(slog.DiscardHandler), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
	for _, listen := range []string{"localhost:0", "127.0.0.1:0", "127.9.9.9:0", "[::1]:0"} {
		if _, err := NewServer(ServerConfig{Listen: listen}, slog.New(slog.DiscardHandler), nil); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if _, err := NewServer(ServerConfig{Listen: ":0", Insecure: true}, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Errorf("insecure: %v", err)
	}
	reg := prometheus.NewRegistry()
	for want := range 2 {
		if _, err := NewServer(ServerConfig{Listen: "localhost:0"}, slog.New(slog.DiscardHandler), reg); (err != nil) != (want == 1) {
			t.Errorf("server %d on one registry: %v", want+1, err)
		}
	}
}

func TestRunRefusesABadAddress(t *testing.T) {
	s, err := NewServer(ServerConfig{Listen: "127.0.0.1:99999"}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}
