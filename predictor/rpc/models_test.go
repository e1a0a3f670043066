package rpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/porttest"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func TestModelsConform(t *testing.T) {
	porttest.Models(t, func(t *testing.T) predictor.Models {
		return newLink(t, withStore(openStore(t))).Models()
	})
}

// describe announces an artifact's size and checksum.
func describe(version string, artifact []byte) predictor.ModelInfo {
	sum := sha256.Sum256(artifact)
	return predictor.ModelInfo{Version: version, Size: int64(len(artifact)), SHA256: hex.EncodeToString(sum[:])}
}

// An artifact whose reader fails half way is not published.
func TestPublishOfAFailingReader(t *testing.T) {
	s := openStore(t)
	l := newLink(t, withStore(s))
	broken := errors.New("disk on fire")
	artifact := io.MultiReader(bytes.NewReader(make([]byte, 3*chunkBytes)), iotest.ErrReader(broken))
	if err := l.Models().Publish(t.Context(), predictor.ModelInfo{Version: "v1"}, artifact); !errors.Is(err, broken) {
		t.Errorf("publish: %v", err)
	}
	if err := l.stop(); err != nil { // waits for the handler
		t.Fatal(err)
	}
	if infos, err := s.List(t.Context()); len(infos) != 0 || err != nil {
		t.Errorf("published %v, %v", infos, err)
	}
}

func TestInvalidModels(t *testing.T) {
	l := newLink(t, withStore(openStore(t)))
	info := predictor.ModelInfo{
		SHA256: strings.Repeat("0", 65), Size: -1, Schema: -1, Records: -1, PinballP50: math.NaN(), PinballP90: math.Inf(1), Reason: "\xff",
	}
	want := []string{"info.version", "info.sha256", "info.size_bytes", "info.schema", "info.records", "info.pinball_p50_seconds", "info.pinball_p90_seconds", "info.reason"}
	checkViolations(t, l.Models().Publish(t.Context(), info, strings.NewReader("x")), want...)

	info.Reason = "a text that the wire takes"
	first := &pb.PublishModelRequest{Part: &pb.PublishModelRequest_Info{Info: toModelInfo(&info)}}
	checkViolations(t, l.publishRaw(t, first), want[:7]...)

	chunk := &pb.PublishModelRequest{Part: &pb.PublishModelRequest_Chunk{Chunk: []byte("x")}}
	good := &pb.PublishModelRequest{Part: &pb.PublishModelRequest_Info{Info: &pb.ModelInfo{Version: "v1"}}}
	checkViolations(t, l.publishRaw(t), "info")
	checkViolations(t, l.publishRaw(t, chunk), "info")
	checkViolations(t, l.publishRaw(t, good, chunk, good), "info")
	if _, err := l.Models().Champion(t.Context()); !errors.Is(err, predictor.ErrNoModel) {
		t.Errorf("champion: %v", err)
	}
}

// publishRaw sends messages as no client of ours would.
func (l *link) publishRaw(t *testing.T, messages ...*pb.PublishModelRequest) error {
	t.Helper()
	stream, err := pb.NewModelServiceClient(l.conn).PublishModel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// GetModel without a version is the champion, info first.
func TestGetModelOfTheChampion(t *testing.T) {
	l := newLink(t, withStore(openStore(t)))
	artifact := bytes.Repeat([]byte("x"), 2*chunkBytes+1)
	want := describe("v1", artifact)
	if err := l.Models().Publish(t.Context(), want, bytes.NewReader(artifact)); err != nil {
		t.Fatal(err)
	}
	stream, err := pb.NewModelServiceClient(l.conn).GetModel(t.Context(), &pb.GetModelRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var parts []int
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) == 0 && m.GetInfo().GetVersion() != "v1" {
			t.Errorf("the first message is %v", m)
		}
		parts = append(parts, len(m.GetChunk()))
	}
	if diff := cmp.Diff([]int{0, chunkBytes, chunkBytes, 1}, parts); diff != "" {
		t.Errorf("bytes a message:\n%s", diff)
	}
}

// A registry that hands out other bytes than it has announced is noticed.
func TestArtifactIsVerified(t *testing.T) {
	whole := []byte("the artifact")
	for name, tt := range map[string]struct {
		info    predictor.ModelInfo
		sent    []byte
		damaged bool
	}{
		"whole":               {describe("v1", whole), whole, false},
		"upper case":          {predictor.ModelInfo{Version: "v1", SHA256: strings.ToUpper(describe("", whole).SHA256)}, whole, false},
		"unannounced":         {predictor.ModelInfo{Version: "v1"}, whole, false},
		"cut":                 {describe("v1", whole), whole[:5], true},
		"empty":               {describe("v1", whole), nil, true},
		"longer":              {describe("v1", whole), append(whole[:len(whole):len(whole)], '!'), true},
		"one bit":             {describe("v1", whole), []byte("the artifacu"), true},
		"cut, no checksum":    {predictor.ModelInfo{Version: "v1", Size: 12}, whole[:5], true},
		"longer, no checksum": {predictor.ModelInfo{Version: "v1", Size: 5}, whole, true},
		"cut, no size":        {predictor.ModelInfo{Version: "v1", SHA256: describe("", whole).SHA256}, whole[:5], true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t, func(s *Server) { s.RegisterModels(&shelf{tt.info, tt.sent}) })
			got, err := l.Models().Artifact(t.Context(), "v1")
			if tt.damaged != errors.Is(err, predictor.ErrDamaged) || !tt.damaged && !bytes.Equal(got, tt.sent) {
				t.Errorf("got %q, %v", got, err)
			}
			// The same on the way to the registry.
			err = l.Models().Publish(t.Context(), tt.info, bytes.NewReader(tt.sent))
			if tt.damaged != errors.Is(err, predictor.ErrDamaged) || !tt.damaged && err != nil {
				t.Errorf("publish: %v", err)
			}
		})
	}
}

// A shelf is a registry of one model, which may not be what it says.
type shelf struct {
	info     predictor.ModelInfo
	artifact []byte
}

func (s *shelf) Publish(_ context.Context, _ predictor.ModelInfo, artifact io.Reader) error {
	_, err := io.ReadAll(artifact)
	return err
}

func (s *shelf) Champion(context.Context) (predictor.ModelInfo, error) { return s.info, nil }

func (s *shelf) Artifact(context.Context, string) ([]byte, error) { return s.artifact, nil }

func (s *shelf) List(context.Context) ([]predictor.ModelInfo, error) {
	return []predictor.ModelInfo{s.info}, nil
}

func (s *shelf) Promote(context.Context, string) error { return predictor.ErrNotFound }

func (s *shelf) Watch(ctx context.Context) iter.Seq2[predictor.ModelInfo, error] {
	return func(yield func(predictor.ModelInfo, error) bool) {
		if yield(s.info, nil) {
			<-ctx.Done()
			yield(predictor.ModelInfo{}, ctx.Err())
		}
	}
}

// An empty version, which the wire reads as the champion, is not found as it is locally.
func TestModelsWithoutAName(t *testing.T) {
	l := newLink(t, withStore(openStore(t)))
	if err := l.Models().Publish(t.Context(), predictor.ModelInfo{Version: "v1"}, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "\xff", strings.Repeat("x", maxNameLength+1)} {
		if _, err := l.Models().Artifact(t.Context(), version); !errors.Is(err, predictor.ErrNotFound) {
			t.Errorf("artifact of %q: %v", version, err)
		}
		if err := l.Models().Promote(t.Context(), version); !errors.Is(err, predictor.ErrNotFound) {
			t.Errorf("promote %q: %v", version, err)
		}
	}
}

// What could undo the work of others is not repeated.
func TestPromoteIsNotRetried(t *testing.T) {
	server := &refusingModels{}
	l := newLink(t, func(s *Server) { pb.RegisterModelServiceServer(s.grpc, server) })
	if err := l.Models().Promote(t.Context(), "v1"); status.Code(err) != codes.Unavailable || server.calls != 1 {
		t.Errorf("%d calls, %v", server.calls, err)
	}
}

type refusingModels struct {
	pb.UnimplementedModelServiceServer
	calls int
}

func (m *refusingModels) PromoteModel(context.Context, *pb.PromoteModelRequest) (*pb.PromoteModelResponse, error) {
	m.calls++
	return nil, status.Error(codes.Unavailable, "not now")
}

// What a server answers without a description is damaged.
func TestArtifactWithoutInfo(t *testing.T) {
	l := newLink(t, func(s *Server) { pb.RegisterModelServiceServer(s.grpc, mutedModels{}) })
	if _, err := l.Models().Artifact(t.Context(), "v1"); !errors.Is(err, predictor.ErrDamaged) {
		t.Errorf("error %v", err)
	}
}

type mutedModels struct {
	pb.UnimplementedModelServiceServer
}

func (mutedModels) GetModel(*pb.GetModelRequest, grpc.ServerStreamingServer[pb.GetModelResponse]) error {
	return nil
}
