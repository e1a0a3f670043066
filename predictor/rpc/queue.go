package rpc

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

type queueServer struct {
	pb.UnimplementedQueueServiceServer
	queue predictor.Queue
}

func (s *queueServer) ListQueue(ctx context.Context, req *pb.ListQueueRequest) (*pb.ListQueueResponse, error) {
	if err := validateNamespace(req.GetNamespace()); err != nil {
		return nil, err
	}
	entries, err := s.queue.Waiting(ctx, req.GetNamespace())
	if err != nil {
		return nil, err
	}
	return &pb.ListQueueResponse{Entries: toQueueEntries(entries)}, nil
}

func (s *queueServer) GetEta(ctx context.Context, req *pb.GetEtaRequest) (*pb.GetEtaResponse, error) {
	if err := validateJobName(req.GetNamespace(), req.GetName()); err != nil {
		return nil, err
	}
	entry, err := s.queue.ETA(ctx, req.GetNamespace(), req.GetName())
	if err != nil {
		return nil, err
	}
	return &pb.GetEtaResponse{Entry: toQueueEntry(&entry)}, nil
}

func (s *queueServer) WatchQueue(req *pb.WatchQueueRequest, stream grpc.ServerStreamingServer[pb.WatchQueueResponse]) error {
	if err := validateNamespace(req.GetNamespace()); err != nil {
		return err
	}
	for entries, err := range s.queue.WatchWaiting(stream.Context(), req.GetNamespace()) {
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.WatchQueueResponse{Entries: toQueueEntries(entries)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *queueServer) GetLoad(ctx context.Context, _ *pb.GetLoadRequest) (*pb.GetLoadResponse, error) {
	load, err := s.queue.Load(ctx)
	if err != nil {
		return nil, err
	}
	return toLoad(&load), nil
}

type queueClient struct{ rpc pb.QueueServiceClient }

func (c *queueClient) Waiting(ctx context.Context, namespace string) ([]predictor.QueueEntry, error) {
	if err := validateNamespace(namespace); err != nil {
		return nil, err
	}
	resp, err := c.rpc.ListQueue(ctx, &pb.ListQueueRequest{Namespace: namespace})
	if err != nil {
		return nil, err
	}
	return fromQueueEntries(resp.GetEntries())
}

func (c *queueClient) ETA(ctx context.Context, namespace, name string) (predictor.QueueEntry, error) {
	if err := validateJobName(namespace, name); err != nil {
		return predictor.QueueEntry{}, err
	}
	resp, err := c.rpc.GetEta(ctx, &pb.GetEtaRequest{Namespace: namespace, Name: name})
	if err != nil {
		return predictor.QueueEntry{}, err
	}
	var v violations
	entry := fromQueueEntry(&v, resp.GetEntry())
	return entry, v.malformed()
}

func (c *queueClient) WatchWaiting(ctx context.Context, namespace string) iter.Seq2[[]predictor.QueueEntry, error] {
	return func(yield func([]predictor.QueueEntry, error) bool) {
		if err := validateNamespace(namespace); err != nil {
			yield(nil, err)
			return
		}
		open := func(ctx context.Context) (grpc.ServerStreamingClient[pb.WatchQueueResponse], error) {
			return c.rpc.WatchQueue(ctx, &pb.WatchQueueRequest{Namespace: namespace})
		}
		for resp, err := range watch(ctx, open) {
			var entries []predictor.QueueEntry
			if err == nil {
				entries, err = fromQueueEntries(resp.GetEntries())
			}
			if !yield(entries, err) || err != nil {
				return
			}
		}
	}
}

func (c *queueClient) Load(ctx context.Context) (predictor.QueueLoad, error) {
	resp, err := c.rpc.GetLoad(ctx, &pb.GetLoadRequest{})
	if err != nil {
		return predictor.QueueLoad{}, err
	}
	return fromLoad(resp), nil
}

func toQueueEntries(entries []predictor.QueueEntry) []*pb.QueueEntry {
	list := make([]*pb.QueueEntry, len(entries))
	for i := range entries {
		list[i] = toQueueEntry(&entries[i])
	}
	return list
}

func fromQueueEntries(list []*pb.QueueEntry) ([]predictor.QueueEntry, error) {
	return appendList(make([]predictor.QueueEntry, 0, len(list)), "entries", len(list), list, fromQueueEntry)
}

// validateNamespace accepts the empty namespace, which stands for all.
func validateNamespace(namespace string) error {
	var v violations
	if namespace != "" {
		v.name("namespace", namespace)
	}
	return v.err()
}

func validateJobName(namespace, name string) error {
	var v violations
	v.name("namespace", namespace)
	v.name("name", name)
	return v.err()
}
