package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// storeServer copies the file of the history and the models by backUp.
type storeServer struct {
	pb.UnimplementedStoreServiceServer
	backUp func(context.Context, io.Writer) error
}

func (s *storeServer) BackUpStore(_ *pb.BackUpStoreRequest, stream grpc.ServerStreamingServer[pb.BackUpStoreResponse]) error {
	w := bufio.NewWriterSize(chunkWriter(func(chunk []byte) error {
		return stream.Send(&pb.BackUpStoreResponse{Chunk: bytes.Clone(chunk)}) // the stream keeps what it is given
	}), chunkBytes)
	if err := s.backUp(stream.Context(), w); err != nil {
		return err
	}
	return w.Flush()
}

// A chunkWriter sends what is written to it, some at a time.
type chunkWriter func(chunk []byte) error

func (send chunkWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		chunk := p[n:min(n+chunkBytes, len(p))]
		if err := send(chunk); err != nil {
			return n, err
		}
		n += len(chunk)
	}
	return n, nil
}

// BackUp writes a copy of the server's file of history and models, as it is now, to w.
// With an error what has been written is not a whole copy.
func (c *Client) BackUp(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewStoreServiceClient(c.conn).BackUpStore(ctx, &pb.BackUpStoreRequest{})
	if err != nil {
		return err
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := w.Write(resp.GetChunk()); err != nil {
			return err
		}
	}
}
