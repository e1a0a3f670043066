package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func withOracle(o *oracle) func(*Server) {
	return func(s *Server) { s.RegisterEstimator(o) }
}

func someJobs(n int) []predictor.JobSpec {
	jobs := make([]predictor.JobSpec, n)
	for i := range jobs {
		jobs[i] = predictor.JobSpec{
			ID: fmt.Sprint(i), Name: "job", Owner: "CronJob/nightly", Pods: 1 + i%7,
			Features: map[string]predictor.Feature{"epochs": {Number: 3}},
		}
	}
	return jobs
}

// The client answers as the estimator behind the server does.
func TestEstimatorIsTheSameRemotely(t *testing.T) {
	var local oracle
	l := newLink(t, withOracle(&local))
	ctx, remote := t.Context(), l.Estimator()
	for _, n := range []int{0, 1, 2, 2*MaxBatch + 1} {
		jobs := someJobs(n)
		want, _ := local.Estimate(ctx, jobs)
		got, err := remote.Estimate(ctx, jobs)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatalf("estimate of %d jobs: %v\n%s", n, err, diff)
		}
		running := make([]predictor.RunningJob, n)
		for i := range running {
			running[i] = predictor.RunningJob{JobSpec: jobs[i], Elapsed: time.Duration(i) * time.Millisecond, Progress: float64(i) / float64(n)}
		}
		wantRemaining, _ := local.Remaining(ctx, running)
		gotRemaining, err := remote.Remaining(ctx, running)
		if diff := cmp.Diff(wantRemaining, gotRemaining); diff != "" || err != nil {
			t.Fatalf("remaining of %d jobs: %v\n%s", n, err, diff)
		}
	}
	want, _ := local.Explain(ctx, someJobs(1)[0])
	got, err := remote.Explain(ctx, someJobs(1)[0])
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("explain: %v\n%s", err, diff)
	}
}

func TestPredict(t *testing.T) {
	var local oracle
	l := newLink(t, withOracle(&local))
	job := someJobs(1)[0]
	resp, err := pb.NewPredictorServiceClient(l.conn).Predict(t.Context(), &pb.PredictRequest{Job: toJobSpec(&job)})
	if err != nil {
		t.Fatal(err)
	}
	var v violations
	want, _ := local.Estimate(t.Context(), []predictor.JobSpec{job})
	if diff := cmp.Diff(want[0], fromEstimate(&v, resp.GetEstimate())); diff != "" || v != nil {
		t.Errorf("violations %v\n%s", v, diff)
	}
}

// Large jobs go in as many messages as it takes to stay below the server's limit.
func TestEstimateSplitsLargeJobs(t *testing.T) {
	var local oracle
	l := newLink(t, withOracle(&local), func(c *linkConfig) { c.server.MaxReceiveBytes = batchBytes + 1<<10 })
	jobs := someJobs(200)
	for i := range jobs {
		jobs[i].Command = strings.Repeat("x", predictor.MaxTextLength)
	}
	got, err := l.Estimator().Estimate(t.Context(), jobs)
	if err != nil || len(got) != len(jobs) {
		t.Fatalf("%d estimates, %v", len(got), err)
	}
	if calls := local.calls.Load(); calls != 4 { // 63 jobs fit one message
		t.Errorf("%d calls, want 4", calls)
	}
}

// Both sides name every field that is wrong: the client before it sends, the
// server whoever sends.
func TestInvalidJobs(t *testing.T) {
	l := newLink(t, withOracle(&oracle{}))
	server := pb.NewPredictorServiceClient(l.conn)
	bad := predictor.JobSpec{Requests: predictor.Resources{CPUCores: math.Inf(1)}, Pods: -1}
	jobs := []predictor.JobSpec{{}, bad, {}, {User: strings.Repeat("x", predictor.MaxTextLength+1)}}
	running := []predictor.RunningJob{{}, {Elapsed: -1}, {Elapsed: predictor.MaxDuration + 1}, {JobSpec: bad}, {Progress: 1.5}, {Progress: math.NaN()}}
	var specs []*pb.JobSpec
	for i := range jobs {
		specs = append(specs, toJobSpec(&jobs[i]))
	}
	var runs []*pb.RunningJob
	for i := range running {
		runs = append(runs, toRunningJob(&running[i]))
	}
	ctx := t.Context()
	for name, tt := range map[string]struct {
		err  func() error
		want []string
	}{
		"client: Estimate": {
			func() error { _, err := l.Estimator().Estimate(ctx, jobs); return err },
			[]string{"jobs[1].pods", "jobs[1].requests.cpu_cores", "jobs[3].user"}},
		"server: PredictBatch": {
			func() error { _, err := server.PredictBatch(ctx, &pb.PredictBatchRequest{Jobs: specs}); return err },
			[]string{"jobs[1].pods", "jobs[1].requests.cpu_cores", "jobs[3].user"}},
		"client: Remaining": {
			func() error { _, err := l.Estimator().Remaining(ctx, running); return err },
			[]string{"jobs[1].elapsed", "jobs[2].elapsed", "jobs[3].pods", "jobs[3].requests.cpu_cores", "jobs[4].progress", "jobs[5].progress"}},
		"server: PredictRemaining": {
			func() error {
				_, err := server.PredictRemaining(ctx, &pb.PredictRemainingRequest{Jobs: append(runs, &pb.RunningJob{})})
				return err
			},
			[]string{"jobs[1].elapsed", "jobs[2].elapsed", "jobs[3].pods", "jobs[3].requests.cpu_cores", "jobs[4].progress", "jobs[5].progress", "jobs[6].job"}},
		"client: Explain": {
			func() error { _, err := l.Estimator().Explain(ctx, bad); return err },
			[]string{"job.pods", "job.requests.cpu_cores"}},
		"server: Explain": {
			func() error { _, err := server.Explain(ctx, &pb.ExplainRequest{Job: toJobSpec(&bad)}); return err },
			[]string{"job.pods", "job.requests.cpu_cores"}},
		"server: Predict": {
			func() error { _, err := server.Predict(ctx, &pb.PredictRequest{Job: toJobSpec(&bad)}); return err },
			[]string{"job.pods", "job.requests.cpu_cores"}},
		"server: Predict nothing": {
			func() error { _, err := server.Predict(ctx, &pb.PredictRequest{}); return err },
			[]string{"job"}},
		"server: too many": {
			func() error {
				_, err := server.PredictBatch(ctx, &pb.PredictBatchRequest{Jobs: make([]*pb.JobSpec, MaxBatch+1)})
				return err
			},
			[]string{"jobs"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkViolations(t, tt.err(), tt.want...)
			if strings.HasPrefix(name, "server") {
				if code := status.Code(tt.err()); code != codes.InvalidArgument {
					t.Errorf("code %v", code)
				}
			}
		})
	}
}

// checkViolations checks that err is a ValidationError of these fields.
func checkViolations(t *testing.T, err error, want ...string) {
	t.Helper()
	var invalid *predictor.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want a ValidationError", err)
	}
	var got []string
	for _, v := range invalid.Violations {
		got = append(got, v.Field)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations of %v:\n%s", err, diff)
	}
}

func TestNoModelIsNotRetried(t *testing.T) {
	local := oracle{before: func(context.Context) error { return predictor.ErrNoModel }}
	l := newLink(t, withOracle(&local))
	if _, err := l.Estimator().Estimate(t.Context(), someJobs(1)); !errors.Is(err, predictor.ErrNoModel) {
		t.Errorf("error %v", err)
	}
	if calls := local.calls.Load(); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
}

func TestUnavailableIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var local oracle
		local.before = func(context.Context) error {
			if local.calls.Load() < 3 {
				return status.Error(codes.Unavailable, "not yet")
			}
			return nil
		}
		l := newLink(t, withOracle(&local))
		jobs := someJobs(60) // of 16 KiB: a retry keeps even the largest batch
		for i := range jobs {
			jobs[i].Command = strings.Repeat("x", predictor.MaxTextLength)
		}
		if _, err := l.Estimator().Estimate(t.Context(), jobs); err != nil {
			t.Errorf("error %v", err)
		}
		if calls := local.calls.Load(); calls != 3 {
			t.Errorf("%d calls, want 3", calls)
		}
	})
}

// What changes nothing is retried, and so is what may be repeated: all calls but the one
// that names a champion, which another may have replaced meanwhile.
func TestWhatIsRetried(t *testing.T) {
	var config struct {
		MethodConfig []struct {
			Name []struct{ Service, Method string }
		}
	}
	if err := json.Unmarshal([]byte(serviceConfig), &config); err != nil {
		t.Fatal(err)
	}
	names := config.MethodConfig[0].Name
	for _, service := range []grpc.ServiceDesc{
		pb.PredictorService_ServiceDesc, pb.HistoryService_ServiceDesc, pb.ModelService_ServiceDesc, pb.QueueService_ServiceDesc, pb.StoreService_ServiceDesc,
	} {
		for _, m := range service.Methods {
			retried := slices.ContainsFunc(names, func(n struct{ Service, Method string }) bool {
				return n.Service == service.ServiceName && (n.Method == "" || n.Method == m.MethodName)
			})
			if want := m.MethodName != "PromoteModel"; retried != want {
				t.Errorf("%s/%s is retried: %t", service.ServiceName, m.MethodName, retried)
			}
		}
	}
}

func TestDefaultDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := oracle{before: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		l := newLink(t, withOracle(&local), func(c *linkConfig) { c.client.Timeout = 3 * time.Second })
		for timeout, want := range map[time.Duration]time.Duration{0: 3 * time.Second, time.Second: time.Second, time.Minute: time.Minute} {
			ctx := t.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			start := time.Now()
			_, err := l.Estimator().Estimate(ctx, someJobs(1))
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != want {
				t.Errorf("context's timeout %v: %v after %v, want it after %v", timeout, err, took, want)
			}
		}
	})
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	local := oracle{before: func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}
	l := newLink(t, withOracle(&local))
	if _, err := l.Estimator().Estimate(ctx, someJobs(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
}

func TestWrongNumberOfEstimates(t *testing.T) {
	l := newLink(t, func(s *Server) { s.RegisterEstimator(&miser{}) })
	if _, err := l.Estimator().Estimate(t.Context(), someJobs(2)); status.Code(err) != codes.Internal {
		t.Errorf("error %v", err)
	}
	if _, err := l.Estimator().Remaining(t.Context(), make([]predictor.RunningJob, 2)); status.Code(err) != codes.Internal {
		t.Errorf("error %v", err)
	}
}

// A miser is an Estimator that breaks its contract.
type miser struct{ oracle }

func (*miser) Estimate(context.Context, []predictor.JobSpec) ([]predictor.Estimate, error) {
	return nil, nil
}

func (*miser) Remaining(context.Context, []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	return nil, nil
}

// A server that answers for fewer jobs than asked is not believed.
func TestShortResponse(t *testing.T) {
	l := newLink(t, func(s *Server) { pb.RegisterPredictorServiceServer(s.grpc, silentPredictor{}) })
	if got, err := l.Estimator().Estimate(t.Context(), someJobs(2)); !errors.Is(err, predictor.ErrDamaged) {
		t.Errorf("estimates %v, error %v", got, err)
	}
	if got, err := l.Estimator().Remaining(t.Context(), make([]predictor.RunningJob, 2)); !errors.Is(err, predictor.ErrDamaged) {
		t.Errorf("remaining %v, error %v", got, err)
	}
}

type silentPredictor struct {
	pb.UnimplementedPredictorServiceServer
}

func (silentPredictor) PredictBatch(context.Context, *pb.PredictBatchRequest) (*pb.PredictBatchResponse, error) {
	return &pb.PredictBatchResponse{}, nil
}

func (silentPredictor) PredictRemaining(context.Context, *pb.PredictRemainingRequest) (*pb.PredictRemainingResponse, error) {
	return &pb.PredictRemainingResponse{}, nil
}
