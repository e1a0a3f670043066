package rpc

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/porttest"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// errUndecodable is gRPC's to refuse, before a handler sees the request.
var errUndecodable = errors.New("not a protobuf message")

// FuzzRequests gives arbitrary bytes to every handler. None panics, none answers
// INTERNAL, and what reaches a port is valid.
func FuzzRequests(f *testing.F) {
	record := porttest.Full("id")
	running := predictor.RunningJob{JobSpec: record.JobSpec, Elapsed: time.Minute}
	info := describe("v1", []byte("x"))
	seeds := []proto.Message{
		&pb.PredictRequest{Job: toJobSpec(&record.JobSpec)},
		&pb.PredictBatchRequest{Jobs: []*pb.JobSpec{toJobSpec(&record.JobSpec), {}}},
		&pb.PredictRemainingRequest{Jobs: []*pb.RunningJob{toRunningJob(&running), {}}},
		&pb.RecordJobsRequest{Records: []*pb.JobRecord{toRecord(&record), {}}},
		&pb.ListRecordsRequest{FinishedFrom: toTime(record.Started), FinishedTo: toTime(record.Finished)},
		&pb.PublishModelRequest{Part: &pb.PublishModelRequest_Info{Info: toModelInfo(&info)}},
		&pb.GetEtaRequest{Namespace: "ml", Name: "train"},
		&pb.GetModelRequest{Version: "v1"},
	}
	handlers := fuzzHandlers()
	for _, m := range seeds {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		for i := range handlers {
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		h := handlers[int(which)%len(handlers)]
		if err := h.call(b); !errors.Is(err, errUndecodable) && toStatus(err).Code() == codes.Internal {
			t.Errorf("%s: %v", h.method, err)
		}
	})
}

type fuzzHandler struct {
	method string
	call   func(request []byte) error
}

// fuzzHandlers are all methods, called as the generated code calls them.
func fuzzHandlers() []fuzzHandler {
	decode := func(b []byte) func(any) error {
		return func(m any) error {
			if err := proto.Unmarshal(b, m.(proto.Message)); err != nil {
				return errUndecodable
			}
			return nil
		}
	}
	var handlers []fuzzHandler
	for _, service := range []struct {
		desc *grpc.ServiceDesc
		impl any
	}{
		{&pb.PredictorService_ServiceDesc, &predictorServer{estimator: &strictEstimator{}}},
		{&pb.HistoryService_ServiceDesc, &historyServer{history: strictHistory{}}},
		{&pb.ModelService_ServiceDesc, &modelServer{models: &shelf{describe("v1", []byte("x")), []byte("x")}}},
		{&pb.QueueService_ServiceDesc, &queueServer{queue: newLine(waiting("ml", "train", 1))}},
	} {
		for _, m := range service.desc.Methods {
			handlers = append(handlers, fuzzHandler{m.MethodName, func(b []byte) error {
				_, err := m.Handler(service.impl, context.Background(), decode(b), nil)
				return err
			}})
		}
		for _, m := range service.desc.Streams {
			handlers = append(handlers, fuzzHandler{m.StreamName, func(b []byte) error {
				ctx, cancel := context.WithCancel(context.Background())
				if strings.HasPrefix(m.StreamName, "Watch") {
					cancel() // or it would wait for more
				}
				defer cancel()
				return m.Handler(service.impl, &fuzzStream{ctx: ctx, messages: [][]byte{b, b}, decode: decode})
			}})
		}
	}
	return handlers
}

// A fuzzStream receives the messages and sends nowhere.
type fuzzStream struct {
	ctx      context.Context
	messages [][]byte
	decode   func([]byte) func(any) error
}

func (s *fuzzStream) Context() context.Context     { return s.ctx }
func (s *fuzzStream) SetHeader(metadata.MD) error  { return nil }
func (s *fuzzStream) SendHeader(metadata.MD) error { return nil }
func (s *fuzzStream) SetTrailer(metadata.MD)       {}
func (s *fuzzStream) SendMsg(any) error            { return nil }
func (s *fuzzStream) RecvMsg(m any) error {
	if len(s.messages) == 0 {
		return io.EOF
	}
	b := s.messages[0]
	s.messages = s.messages[1:]
	return s.decode(b)(m)
}

// A strictEstimator panics if it is asked for what is not valid.
type strictEstimator struct{ oracle }

func (e *strictEstimator) Estimate(ctx context.Context, jobs []predictor.JobSpec) ([]predictor.Estimate, error) {
	for i := range jobs {
		if err := jobs[i].Validate(); err != nil {
			panic(err)
		}
	}
	return e.oracle.Estimate(ctx, jobs)
}

func (e *strictEstimator) Remaining(ctx context.Context, jobs []predictor.RunningJob) ([]predictor.Quantiles[time.Duration], error) {
	for i := range jobs {
		if err := jobs[i].Validate(); err != nil || jobs[i].Elapsed < 0 {
			panic(err)
		}
	}
	return e.oracle.Remaining(ctx, jobs)
}

// A strictHistory panics if it is given what is not valid or does not fit the wire.
type strictHistory struct{}

func (strictHistory) Put(_ context.Context, records []predictor.JobRecord) (int, error) {
	for i := range records {
		if err := records[i].Validate(); err != nil {
			panic(err)
		}
		if _, err := proto.Marshal(toRecord(&records[i])); err != nil {
			panic(err)
		}
	}
	return len(records), nil
}

func (strictHistory) Records(context.Context, time.Time, time.Time) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		yield(predictor.Entry{JobRecord: porttest.Full("id"), Sequence: 1}, nil)
	}
}

func (strictHistory) Follow(ctx context.Context, _ uint64) iter.Seq2[predictor.Entry, error] {
	return func(yield func(predictor.Entry, error) bool) {
		if yield(predictor.Entry{JobRecord: porttest.Full("id"), Sequence: 1}, nil) {
			yield(predictor.Entry{}, ctx.Err())
		}
	}
}

// FuzzResponses gives arbitrary bytes to everything a client reads. Nothing panics,
// and what is accepted keeps the order of its quantiles.
func FuzzResponses(f *testing.F) {
	record := porttest.Full("id")
	entry := predictor.Entry{JobRecord: record, Sequence: 7}
	queued := waiting("ml", "train", 1)
	info := describe("v1", []byte("x"))
	for _, m := range []proto.Message{toEntry(&entry), toEstimate(record.Served), toModelInfo(&info), toQueueEntry(&queued), toExplanation(&predictor.Explanation{Estimate: *record.Served})} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		estimates := []predictor.Estimate{
			read(b, fromEstimate),
			read(b, fromExplanation).Estimate,
			read(b, fromQueueEntry).Estimate,
		}
		if e := read(b, fromEntry); e.Served != nil {
			estimates = append(estimates, *e.Served)
		}
		for _, e := range estimates {
			if !e.Runtime.Valid() || !e.PeakMemory.Valid() {
				t.Errorf("accepted %+v", e)
			}
		}
		if q := read(b, fromRemaining); !q.Valid() {
			t.Errorf("accepted %+v", q)
		}
		read(b, fromModelInfo)
	})
}

// read is the zero value if b is refused.
func read[M any, T any, P interface {
	*M
	proto.Message
}](b []byte, from func(*violations, P) T) T {
	var zero T
	m := P(new(M))
	if proto.Unmarshal(b, m) != nil {
		return zero
	}
	var v violations
	if value := from(&v, m); len(v) == 0 {
		return value
	}
	return zero
}
