package rpc

import (
	"context"
	"fmt"
	"time"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// MaxBatch is how many jobs or records one request may carry.
const MaxBatch = 4096

// batchBytes is the size at which the client and the server begin the next message
// of a split list. One element can be larger, but not larger than DefaultMaxReceiveBytes.
const batchBytes = 1 << 20

type predictorServer struct {
	pb.UnimplementedPredictorServiceServer
	estimator predictor.Estimator
}

func (s *predictorServer) Predict(ctx context.Context, req *pb.PredictRequest) (*pb.PredictResponse, error) {
	job, err := requestedJob(req.GetJob())
	if err != nil {
		return nil, err
	}
	estimates, err := s.estimate(ctx, []predictor.JobSpec{job})
	if err != nil {
		return nil, err
	}
	return &pb.PredictResponse{Estimate: toEstimate(&estimates[0])}, nil
}

func (s *predictorServer) PredictBatch(ctx context.Context, req *pb.PredictBatchRequest) (*pb.PredictBatchResponse, error) {
	jobs, err := fromList("jobs", req.GetJobs(), fromJobSpec, (*predictor.JobSpec).Validate)
	if err != nil {
		return nil, err
	}
	estimates, err := s.estimate(ctx, jobs)
	if err != nil {
		return nil, err
	}
	resp := &pb.PredictBatchResponse{Estimates: make([]*pb.Estimate, len(estimates))}
	for i := range estimates {
		resp.Estimates[i] = toEstimate(&estimates[i])
	}
	return resp, nil
}

func (s *predictorServer) estimate(ctx context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	estimates, err := s.estimator.Estimate(ctx, jobs)
	if err == nil && len(estimates) != len(jobs) {
		err = fmt.Errorf("%d estimates for %d jobs", len(estimates), len(jobs))
	}
	return estimates, err
}

func (s *predictorServer) PredictRemaining(ctx context.Context, req *pb.PredictRemainingRequest) (*pb.PredictRemainingResponse, error) {
	jobs, err := fromList("jobs", req.GetJobs(), fromRunningJob, (*predictor.RunningJob).Validate)
	if err != nil {
		return nil, err
	}
	remaining, err := s.estimator.Remaining(ctx, jobs)
	if err == nil && len(remaining) != len(jobs) {
		err = fmt.Errorf("%d answers for %d jobs", len(remaining), len(jobs))
	}
	if err != nil {
		return nil, err
	}
	resp := &pb.PredictRemainingResponse{Remaining: make([]*pb.Remaining, len(remaining))}
	for i, q := range remaining {
		resp.Remaining[i] = &pb.Remaining{RemainingSeconds: toRuntime(q)}
	}
	return resp, nil
}

func (s *predictorServer) Explain(ctx context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	job, err := requestedJob(req.GetJob())
	if err != nil {
		return nil, err
	}
	x, err := s.estimator.Explain(ctx, job)
	if err != nil {
		return nil, err
	}
	return toExplanation(&x), nil
}

type estimatorClient struct{ rpc pb.PredictorServiceClient }

func (c *estimatorClient) Estimate(ctx context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	requests, err := toList("jobs", jobs, toJobSpec, (*predictor.JobSpec).Validate)
	if err != nil {
		return nil, err
	}
	estimates := make([]predictor.Estimate, 0, len(jobs))
	for batch := range batches(requests) {
		resp, err := c.rpc.PredictBatch(ctx, &pb.PredictBatchRequest{Jobs: batch})
		if err != nil {
			return nil, err
		}
		if estimates, err = appendList(estimates, "estimates", len(batch), resp.GetEstimates(), fromEstimate); err != nil {
			return nil, err
		}
	}
	return estimates, nil
}

func (c *estimatorClient) Remaining(ctx context.Context, jobs []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	requests, err := toList("jobs", jobs, toRunningJob, (*predictor.RunningJob).Validate)
	if err != nil {
		return nil, err
	}
	remaining := make([]predictor.Quantiles[time.Duration], 0, len(jobs))
	for batch := range batches(requests) {
		resp, err := c.rpc.PredictRemaining(ctx, &pb.PredictRemainingRequest{Jobs: batch})
		if err != nil {
			return nil, err
		}
		if remaining, err = appendList(remaining, "remaining", len(batch), resp.GetRemaining(), fromRemaining); err != nil {
			return nil, err
		}
	}
	return remaining, nil
}

func fromRemaining(v *violations, m *pb.Remaining) predictor.Quantiles[time.Duration] {
	return fromRuntime(v, "remaining_seconds", m.GetRemainingSeconds())
}

func (c *estimatorClient) Explain(ctx context.Context, job predictor.JobSpec) (predictor.Explanation, error) {
	var v violations
	v.validate(job.Validate())
	if err := v.within("job").err(); err != nil {
		return predictor.Explanation{}, err
	}
	resp, err := c.rpc.Explain(ctx, &pb.ExplainRequest{Job: toJobSpec(&job)})
	if err != nil {
		return predictor.Explanation{}, err
	}
	x := fromExplanation(&v, resp)
	return x, v.malformed()
}

// requestedJob reads the one job of a request.
func requestedJob(m *pb.JobSpec) (predictor.JobSpec, error) {
	var v violations
	if m == nil {
		v.add("job", "a job")
		return predictor.JobSpec{}, v.err()
	}
	job := fromJobSpec(&v, m)
	v.validate(job.Validate())
	return job, v.within("job").err()
}
