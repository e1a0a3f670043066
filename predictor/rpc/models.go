package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/grpc"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// chunkBytes is how much of an artifact one message carries at most.
const chunkBytes = 1 << 20

type modelServer struct {
	pb.UnimplementedModelServiceServer
	models predictor.Models
}

func (s *modelServer) PublishModel(stream grpc.ClientStreamingServer[pb.PublishModelRequest, pb.PublishModelResponse]) error {
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var v violations
	if first.GetInfo() == nil {
		v.add("info", "the model's description in the first message")
		return v.err()
	}
	info := fromModelInfo(&v, first.GetInfo())
	validateModelInfo(&v, &info)
	if err := v.within("info").err(); err != nil {
		return err
	}
	artifact := &chunkReader{recv: func() ([]byte, error) {
		m, err := stream.Recv()
		if err == nil && m.GetInfo() != nil {
			v.add("info", "only the first message to carry it")
			err = v.err()
		}
		return m.GetChunk(), err
	}}
	if err := s.models.Publish(stream.Context(), info, newVerifier(artifact, &info)); err != nil {
		return err
	}
	return stream.SendAndClose(&pb.PublishModelResponse{})
}

func (s *modelServer) GetModel(req *pb.GetModelRequest, stream grpc.ServerStreamingServer[pb.GetModelResponse]) error {
	info, err := s.describe(stream.Context(), req.GetVersion())
	if err != nil {
		return err
	}
	artifact, err := s.models.Artifact(stream.Context(), info.Version)
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.GetModelResponse{Part: &pb.GetModelResponse_Info{Info: toModelInfo(&info)}}); err != nil {
		return err
	}
	for len(artifact) > 0 {
		n := min(len(artifact), chunkBytes)
		if err := stream.Send(&pb.GetModelResponse{Part: &pb.GetModelResponse_Chunk{Chunk: artifact[:n]}}); err != nil {
			return err
		}
		artifact = artifact[n:]
	}
	return nil
}

// describe returns the description of a version, of the champion if it is empty.
func (s *modelServer) describe(ctx context.Context, version string) (predictor.ModelInfo, error) {
	if version == "" {
		return s.models.Champion(ctx)
	}
	infos, err := s.models.List(ctx)
	if err != nil {
		return predictor.ModelInfo{}, err
	}
	for _, info := range infos {
		if info.Version == version {
			return info, nil
		}
	}
	return predictor.ModelInfo{}, fmt.Errorf("model %.*q: %w", maxNameLength, version, predictor.ErrNotFound)
}

func (s *modelServer) WatchModel(_ *pb.WatchModelRequest, stream grpc.ServerStreamingServer[pb.WatchModelResponse]) error {
	for info, err := range s.models.Watch(stream.Context()) {
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.WatchModelResponse{Info: toModelInfo(&info)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *modelServer) ListModels(ctx context.Context, _ *pb.ListModelsRequest) (*pb.ListModelsResponse, error) {
	infos, err := s.models.List(ctx)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListModelsResponse{Models: make([]*pb.ModelInfo, len(infos))}
	for i := range infos {
		resp.Models[i] = toModelInfo(&infos[i])
	}
	return resp, nil
}

func (s *modelServer) PromoteModel(ctx context.Context, req *pb.PromoteModelRequest) (*pb.PromoteModelResponse, error) {
	if err := s.models.Promote(ctx, req.GetVersion()); err != nil {
		return nil, err
	}
	return &pb.PromoteModelResponse{}, nil
}

type modelsClient struct{ rpc pb.ModelServiceClient }

func (c *modelsClient) Publish(ctx context.Context, info predictor.ModelInfo, artifact io.Reader) error {
	var v violations
	validateModelInfo(&v, &info)
	if err := v.within("info").err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // an artifact that ends early must not look whole
	defer cancel()
	stream, err := c.rpc.PublishModel(ctx)
	if err != nil {
		return err
	}
	err = stream.Send(&pb.PublishModelRequest{Part: &pb.PublishModelRequest_Info{Info: toModelInfo(&info)}})
	for err == nil {
		chunk := make([]byte, chunkBytes) // the stream keeps what it is given
		n, readErr := io.ReadFull(artifact, chunk)
		if n > 0 {
			err = stream.Send(&pb.PublishModelRequest{Part: &pb.PublishModelRequest_Chunk{Chunk: chunk[:n]}})
		}
		if errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) {
			break
		}
		if readErr != nil {
			return fmt.Errorf("artifact of model %s: %w", info.Version, readErr)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // at EOF the server has ended the stream and says why
		return err
	}
	_, err = stream.CloseAndRecv()
	return err
}

// Champion asks for the list, which is one small message: GetModel would send the
// artifact as well.
func (c *modelsClient) Champion(ctx context.Context) (predictor.ModelInfo, error) {
	infos, err := c.List(ctx)
	if err != nil {
		return predictor.ModelInfo{}, err
	}
	for _, info := range infos {
		if info.Champion {
			return info, nil
		}
	}
	return predictor.ModelInfo{}, predictor.ErrNoModel
}

func (c *modelsClient) Artifact(ctx context.Context, version string) ([]byte, error) {
	var v violations
	if v.name("version", version); len(v) > 0 { // the wire reads the empty name as the champion
		return nil, fmt.Errorf("model %.*q: %w", maxNameLength, version, predictor.ErrNotFound)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.GetModel(ctx, &pb.GetModelRequest{Version: version})
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if first.GetInfo() == nil {
		v.add("info", "the model's description in the first message")
	}
	info := fromModelInfo(&v, first.GetInfo())
	if err := v.malformed(); err != nil {
		return nil, err
	}
	chunks := &chunkReader{recv: func() ([]byte, error) {
		m, err := stream.Recv()
		return m.GetChunk(), err
	}}
	artifact, err := io.ReadAll(newVerifier(chunks, &info))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", version, err)
	}
	return artifact, nil
}

func (c *modelsClient) List(ctx context.Context) ([]predictor.ModelInfo, error) {
	resp, err := c.rpc.ListModels(ctx, &pb.ListModelsRequest{})
	if err != nil {
		return nil, err
	}
	return appendList([]predictor.ModelInfo(nil), "models", len(resp.GetModels()), resp.GetModels(), fromModelInfo)
}

func (c *modelsClient) Promote(ctx context.Context, version string) error {
	var v violations
	if v.name("version", version); len(v) > 0 {
		return fmt.Errorf("model %.*q: %w", maxNameLength, version, predictor.ErrNotFound)
	}
	_, err := c.rpc.PromoteModel(ctx, &pb.PromoteModelRequest{Version: version})
	return err
}

func (c *modelsClient) Watch(ctx context.Context) iter.Seq2[predictor.ModelInfo, error] {
	return func(yield func(predictor.ModelInfo, error) bool) {
		open := func(ctx context.Context) (grpc.ServerStreamingClient[pb.WatchModelResponse], error) {
			return c.rpc.WatchModel(ctx, &pb.WatchModelRequest{})
		}
		for resp, err := range watch(ctx, open) {
			var info predictor.ModelInfo
			if err == nil {
				var v violations
				info = fromModelInfo(&v, resp.GetInfo())
				err = v.malformed()
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}
