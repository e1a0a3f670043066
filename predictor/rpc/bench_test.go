package rpc

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/porttest"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// newLoopback is a server and a client with TCP between them.
func newLoopback(b *testing.B, register func(*Server)) *Client {
	b.Helper()
	server, err := NewServer(ServerConfig{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	register(server)
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	client, err := Dial(ClientConfig{Target: listener.Addr().String()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := client.Close(); err != nil {
			b.Error(err)
		}
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return client
}

// emptyCall is a service of one method that answers with size bytes of nothing: what
// a unary call costs before there is anything to do.
func emptyCall(size int) *grpc.ServiceDesc {
	reply := wrapperspb.Bytes(make([]byte, size))
	return &grpc.ServiceDesc{
		ServiceName: "runcast.bench.Empty",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Call",
			Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
				var req wrapperspb.BytesValue
				if err := decode(&req); err != nil {
					return nil, err
				}
				info := &grpc.UnaryServerInfo{Server: srv, FullMethod: "/runcast.bench.Empty/Call"}
				return intercept(ctx, &req, info, func(context.Context, any) (any, error) { return reply, nil })
			},
		}},
	}
}

// BenchmarkPredict measures one estimate over TCP on loopback, and reports what
// it costs relative to an empty call with messages of the same sizes, made in turn.
func BenchmarkPredict(b *testing.B) {
	job := porttest.Full("ml/train@1").JobSpec
	jobs := []predictor.JobSpec{job}
	var local oracle
	estimates, err := local.Estimate(b.Context(), jobs)
	if err != nil {
		b.Fatal(err)
	}
	request := wrapperspb.Bytes(make([]byte, proto.Size(&pb.PredictBatchRequest{Jobs: []*pb.JobSpec{toJobSpec(&job)}})))
	client := newLoopback(b, func(s *Server) {
		s.RegisterEstimator(&local)
		s.grpc.RegisterService(emptyCall(proto.Size(&pb.PredictBatchResponse{Estimates: []*pb.Estimate{toEstimate(&estimates[0])}})), nil)
	})
	remote := client.Estimator()
	var predict, empty time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := remote.Estimate(b.Context(), jobs); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if err := client.conn.Invoke(b.Context(), "/runcast.bench.Empty/Call", request, new(wrapperspb.BytesValue)); err != nil {
			b.Fatal(err)
		}
		predict, empty = predict+middle.Sub(start), empty+time.Since(middle)
	}
	b.ReportMetric(float64(predict.Nanoseconds())/float64(b.N), "ns/predict")
	b.ReportMetric(float64(empty.Nanoseconds())/float64(b.N), "ns/empty")
	b.ReportMetric(float64(predict)/float64(empty), "predict/empty")
}

func BenchmarkPredictBatch(b *testing.B) {
	remote := newLoopback(b, func(s *Server) { s.RegisterEstimator(&oracle{}) }).Estimator()
	for _, n := range []int{1, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("jobs=%d", n), func(b *testing.B) {
			jobs := make([]predictor.JobSpec, n)
			for i := range jobs {
				jobs[i] = porttest.Full(fmt.Sprint(i)).JobSpec
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := remote.Estimate(b.Context(), jobs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkRecords reads a history of 20,000 records from the real store.
func BenchmarkRecords(b *testing.B) {
	const n = 20_000
	s := openStore(b)
	records := someRecords(n)
	if _, err := s.Put(b.Context(), records); err != nil {
		b.Fatal(err)
	}
	remote := newLoopback(b, withStore(s)).History()
	read := func(b *testing.B, history predictor.History, follow bool) {
		for b.Loop() {
			entries := history.Records(b.Context(), time.Time{}, time.Time{})
			if follow {
				entries = history.Follow(b.Context(), 0)
			}
			count := 0
			for _, err := range entries {
				if err != nil {
					b.Fatal(err)
				}
				if count++; count == n {
					break
				}
			}
			if count != n {
				b.Fatal(io.ErrUnexpectedEOF)
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("local/list", func(b *testing.B) { read(b, s, false) })
	b.Run("remote/list", func(b *testing.B) { read(b, remote, false) })
	b.Run("local/follow", func(b *testing.B) { read(b, s, true) })
	b.Run("remote/follow", func(b *testing.B) { read(b, remote, true) })
}
