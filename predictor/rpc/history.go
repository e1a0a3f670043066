package rpc

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// batchEntries is how many records one message of ListRecords carries at most.
const batchEntries = 256

type historyServer struct {
	pb.UnimplementedHistoryServiceServer
	history predictor.History
}

func (s *historyServer) RecordJobs(ctx context.Context, req *pb.RecordJobsRequest) (*pb.RecordJobsResponse, error) {
	records, err := fromList("records", req.GetRecords(), fromRecord, (*predictor.JobRecord).Validate)
	if err != nil {
		return nil, err
	}
	stored, err := s.history.Put(ctx, records)
	if err != nil {
		return nil, err
	}
	return &pb.RecordJobsResponse{Stored: toInt32(stored)}, nil
}

func (s *historyServer) ListRecords(req *pb.ListRecordsRequest, stream grpc.ServerStreamingServer[pb.ListRecordsResponse]) error {
	var v violations
	from := fromTime(&v, "finished_from", req.GetFinishedFrom())
	to := fromTime(&v, "finished_to", req.GetFinishedTo())
	if err := v.err(); err != nil {
		return err
	}
	resp, size := &pb.ListRecordsResponse{}, 0
	for entry, err := range s.history.Records(stream.Context(), from, to) {
		if err != nil {
			return err
		}
		e := toEntry(&entry)
		n := proto.Size(e)
		if len(resp.Entries) >= batchEntries || len(resp.Entries) > 0 && size+n > batchBytes {
			if err := stream.Send(resp); err != nil {
				return err
			}
			resp, size = &pb.ListRecordsResponse{}, 0
		}
		resp.Entries = append(resp.Entries, e)
		size += n
	}
	if len(resp.Entries) == 0 {
		return nil
	}
	return stream.Send(resp)
}

// WatchRecords sends each entry as it comes: waiting for a batch to fill would
// hold back the newest.
func (s *historyServer) WatchRecords(req *pb.WatchRecordsRequest, stream grpc.ServerStreamingServer[pb.WatchRecordsResponse]) error {
	for entry, err := range s.history.Follow(stream.Context(), req.GetAfterSequence()) {
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.WatchRecordsResponse{Entries: []*pb.Entry{toEntry(&entry)}}); err != nil {
			return err
		}
	}
	return nil
}

type historyClient struct{ rpc pb.HistoryServiceClient }

// Put sends one message, since it is all or none: at most MaxBatch records.
func (c *historyClient) Put(ctx context.Context, records []predictor.JobRecord) (int, error) {
	if err := checkBatch("records", len(records)); err != nil {
		return 0, err
	}
	requests, err := toList("records", records, toRecord, (*predictor.JobRecord).Validate)
	if err != nil {
		return 0, err
	}
	resp, err := c.rpc.RecordJobs(ctx, &pb.RecordJobsRequest{Records: requests})
	return int(resp.GetStored()), err
}

func (c *historyClient) Records(ctx context.Context, from, to time.Time) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		req := &pb.ListRecordsRequest{FinishedFrom: toTime(from), FinishedTo: toTime(to)}
		open := func(ctx context.Context) (grpc.ServerStreamingClient[pb.ListRecordsResponse], error) {
			return c.rpc.ListRecords(ctx, req)
		}
		for resp, err := range receive(ctx, open) {
			if !yieldEntries(yield, resp.GetEntries(), err) {
				return
			}
		}
	}
}

func (c *historyClient) Follow(ctx context.Context, after uint64) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		req := &pb.WatchRecordsRequest{AfterSequence: after}
		open := func(ctx context.Context) (grpc.ServerStreamingClient[pb.WatchRecordsResponse], error) {
			return c.rpc.WatchRecords(ctx, req)
		}
		for resp, err := range watch(ctx, open) {
			if !yieldEntries(yield, resp.GetEntries(), err) {
				return
			}
		}
	}
}

// yieldEntries yields the entries of one message, or err, and reports whether to
// go on.
func yieldEntries(yield func(predictor.Entry, error) bool, entries []*pb.Entry, err error) bool {
	if err != nil {
		yield(predictor.Entry{}, err)
		return false
	}
	for _, m := range entries {
		var v violations
		entry := fromEntry(&v, m)
		if err := v.malformed(); err != nil {
			yield(predictor.Entry{}, err)
			return false
		}
		if !yield(entry, nil) {
			return false
		}
	}
	return true
}

// receive opens a stream and yields its messages until it ends; an error comes
// last. The stream is gone when the loop is left.
func receive[M any](ctx context.Context, open func(context.Context) (grpc.ServerStreamingClient[M], error)) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := open(ctx)
		for err == nil {
			var m *M
			if m, err = stream.Recv(); err == nil && !yield(m, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// watch is receive for a stream that never ends by itself: its end is an error.
func watch[M any](ctx context.Context, open func(context.Context) (grpc.ServerStreamingClient[M], error)) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		for m, err := range receive(ctx, open) {
			if !yield(m, err) || err != nil {
				return
			}
		}
		yield(nil, errEnded)
	}
}
