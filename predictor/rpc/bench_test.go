package rpc

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/model"
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

// A learned Estimator has a model behind it; it only estimates.
type learned struct {
	predictor.Estimator
	model *model.Model
}

func (l learned) Estimate(_ context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	estimates := make([]predictor.Estimate, len(jobs))
	for i := range jobs {
		estimates[i] = l.model.Estimate(&jobs[i])
	}
	return estimates, nil
}

// learn returns what n jobs of 20 users with ten pipelines each teach, and the jobs: eleven of
// twelve have succeeded, and all that can be measured of a job was.
func learn(n int) (learned, []predictor.JobSpec) {
	random := rand.New(rand.NewPCG(1, 2))
	l := learned{model: model.New(1)}
	jobs := make([]predictor.JobSpec, n)
	for i := range jobs {
		r := porttest.Full(fmt.Sprint(i))
		r.User, r.Family = fmt.Sprint("user-", random.IntN(20)), fmt.Sprint("pipeline-", random.IntN(10))
		r.Submitted = r.Submitted.Add(time.Duration(i) * time.Minute)
		r.Started = r.Submitted
		size := math.Exp(random.NormFloat64())
		r.Finished = r.Started.Add(time.Duration(size * float64(time.Hour)))
		r.Usage = predictor.Usage{
			PeakMemory: predictor.Bytes(size * float64(predictor.GiB)), PeakCPUCores: size, BusyCPUCores: size,
			PeakGPUMemory: predictor.Bytes(size * float64(predictor.GiB)), GPUUtilization: new(random.Float64()),
		}
		if r.OOMKills, r.Outcome = 0, predictor.Succeeded; random.IntN(12) == 0 {
			r.Outcome = predictor.Failed
		}
		l.model.Observe(r)
		jobs[i] = r.JobSpec
	}
	return l, jobs
}

// BenchmarkPredict measures one estimate over TCP on loopback, and reports what it costs
// relative to an empty call with messages of the same sizes, made in turn.
func BenchmarkPredict(b *testing.B) {
	local, jobs := learn(10_000)
	job := toJobSpec(&jobs[0])
	estimate := local.model.Estimate(&jobs[0])
	request := wrapperspb.Bytes(make([]byte, proto.Size(&pb.PredictRequest{Job: job})))
	client := newLoopback(b, func(s *Server) {
		s.RegisterEstimator(local)
		s.grpc.RegisterService(emptyCall(proto.Size(&pb.PredictResponse{Estimate: toEstimate(&estimate)})), nil)
	})
	remote := pb.NewPredictorServiceClient(client.conn)
	var predict, empty calls
	for i := 0; b.Loop(); i++ {
		job := toJobSpec(&jobs[i%len(jobs)])
		predict.time(b, func() error {
			_, err := remote.Predict(b.Context(), &pb.PredictRequest{Job: job})
			return err
		})
		empty.time(b, func() error {
			return client.conn.Invoke(b.Context(), "/runcast.bench.Empty/Call", request, new(wrapperspb.BytesValue))
		})
	}
	b.ReportMetric(0, "ns/op") // of the two together
	b.ReportMetric(predict.mean(), "us/predict")
	b.ReportMetric(empty.mean(), "us/empty")
	b.ReportMetric(predict.mean()/empty.mean(), "predict/empty")
	b.ReportMetric(predict.p99()/empty.p99(), "predict/empty-p99")
}

// calls are how long calls took, in microseconds.
type calls []float64

func (c *calls) time(b *testing.B, call func() error) {
	start := time.Now()
	if err := call(); err != nil {
		b.Fatal(err)
	}
	*c = append(*c, float64(time.Since(start).Nanoseconds())/1e3)
}

func (c calls) mean() float64 {
	sum := 0.0
	for _, t := range c {
		sum += t
	}
	return sum / float64(len(c))
}

func (c calls) p99() float64 {
	slices.Sort(c)
	return c[len(c)*99/100]
}

// cpuTime is what all threads of the process have used of the processor, for themselves and in
// the kernel. What else runs on the machine hardly changes it.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// reportJobs reports how many jobs one core does in a second, n in each round since a cpuTime.
func reportJobs(b *testing.B, n int, since time.Duration) {
	b.ReportMetric(float64(n)*float64(b.N)/(cpuTime(b)-since).Seconds(), "jobs/cpu-s")
}

// BenchmarkPredictBatch makes one call at a time, whose jobs the server estimates one
// after the other. What is reported includes the client's part and the collection of garbage.
func BenchmarkPredictBatch(b *testing.B) {
	local, jobs := learn(10_000)
	remote := newLoopback(b, func(s *Server) { s.RegisterEstimator(local) }).Estimator()
	for _, n := range []int{1, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("jobs=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				if _, err := remote.Estimate(b.Context(), jobs[:n]); err != nil {
					b.Fatal(err)
				}
			}
			reportJobs(b, n, start)
		})
	}
}

// BenchmarkPredictBatchServed is the server's part of that, but for the transport: it decodes
// a request, estimates its jobs, and encodes the response.
func BenchmarkPredictBatchServed(b *testing.B) {
	const n = 1000
	local, jobs := learn(10_000)
	server := &predictorServer{estimator: local}
	var batch pb.PredictBatchRequest
	for i := range n {
		batch.Jobs = append(batch.Jobs, toJobSpec(&jobs[i]))
	}
	request, err := proto.Marshal(&batch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		var req pb.PredictBatchRequest
		if err := proto.Unmarshal(request, &req); err != nil {
			b.Fatal(err)
		}
		resp, err := server.PredictBatch(b.Context(), &req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := proto.Marshal(resp); err != nil {
			b.Fatal(err)
		}
	}
	reportJobs(b, n, start)
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
