package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/porttest"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "runcast.bolt"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func withStore(s *store.Store) func(*Server) {
	return func(server *Server) {
		server.RegisterHistory(s)
		server.RegisterModels(s)
		server.RegisterBackup(s.Backup)
	}
}

func TestHistoryConforms(t *testing.T) {
	porttest.History(t, func(t *testing.T) predictor.History {
		return newLink(t, withStore(openStore(t))).History()
	})
}

func someRecords(n int) []predictor.JobRecord {
	at := time.Unix(1e9, 0).UTC()
	records := make([]predictor.JobRecord, n)
	for i := range records {
		records[i] = porttest.Full(fmt.Sprintf("%05d", i))
		records[i].Submitted, records[i].Started, records[i].Finished = at, at.Add(time.Second), at.Add(time.Duration(i+2)*time.Second)
	}
	return records
}

// ListRecords streams in batches bounded in number and in bytes.
func TestListRecordsBatches(t *testing.T) {
	for _, tt := range []struct {
		name     string
		command  string
		messages int
	}{
		{"small", "", 3},
		{"large", strings.Repeat("x", predictor.MaxTextLength), 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t)
			records := someRecords(600)
			for i := range records {
				records[i].Command = tt.command
			}
			if _, err := s.Put(t.Context(), records); err != nil {
				t.Fatal(err)
			}
			l := newLink(t, withStore(s))
			stream, err := pb.NewHistoryServiceClient(l.conn).ListRecords(t.Context(), &pb.ListRecordsRequest{})
			messages, entries := 0, 0
			for err == nil {
				var m *pb.ListRecordsResponse
				if m, err = stream.Recv(); err != nil {
					break
				}
				messages, entries = messages+1, entries+len(m.GetEntries())
				if n := len(m.GetEntries()); n > batchEntries || proto.Size(m) > batchBytes+4*n { // and 4 bytes of framing each
					t.Errorf("a message of %d entries, %d bytes", n, proto.Size(m))
				}
			}
			if messages != tt.messages || entries != len(records) || !errors.Is(err, io.EOF) {
				t.Errorf("%d messages with %d entries, then %v; want %d with %d", messages, entries, err, tt.messages, len(records))
			}
		})
	}
}

// Both sides refuse bad records with their paths, and none of the batch is stored.
func TestInvalidRecords(t *testing.T) {
	s := openStore(t)
	l := newLink(t, withStore(s))
	records := someRecords(3)
	records[1].Requests.CPUCores = math.NaN()
	records[2].PeakMemory, records[2].Finished = -1, time.Time{}
	want := []string{"records[1].requests.cpu_cores", "records[2].finished", "records[2].finished", "records[2].peak_memory_bytes"}
	_, err := l.History().Put(t.Context(), records)
	checkViolations(t, err, want...)

	req := &pb.RecordJobsRequest{}
	for i := range records {
		req.Records = append(req.Records, toRecord(&records[i]))
	}
	server := pb.NewHistoryServiceClient(l.conn)
	_, err = server.RecordJobs(t.Context(), req)
	checkViolations(t, err, want...)

	_, err = l.History().Put(t.Context(), make([]predictor.JobRecord, MaxBatch+1))
	checkViolations(t, err, "records")
	_, err = server.RecordJobs(t.Context(), &pb.RecordJobsRequest{Records: make([]*pb.JobRecord, MaxBatch+1)})
	checkViolations(t, err, "records")

	if n, err := s.Len(t.Context()); n != 0 || err != nil {
		t.Errorf("%d records stored, %v", n, err)
	}
}

// A follower whose connection breaks gets an error, and misses nothing when it
// follows again after what it has seen.
func TestFollowAgain(t *testing.T) {
	s := openStore(t)
	records := someRecords(20)
	var seen []string
	after := uint64(0)
	for _, upTo := range []int{7, 20} {
		if _, err := s.Put(t.Context(), records[len(seen):upTo]); err != nil {
			t.Fatal(err)
		}
		l := newLink(t, withStore(s))
		var last error
		for e, err := range l.History().Follow(t.Context(), after) {
			if last = err; err != nil {
				break
			}
			if seen, after = append(seen, e.ID), e.Sequence; len(seen) == upTo {
				if err := l.stop(); err != nil { // ends the stream, for it waits for that
					t.Fatal(err)
				}
			}
		}
		if status.Code(last) != codes.Unavailable {
			t.Errorf("after %d records the follower ended with %v", upTo, last)
		}
	}
	for i, r := range records {
		if seen[i] != r.ID {
			t.Fatalf("seen %v", seen)
		}
	}
}

// A watch that the server ends without an error is not mistaken for one that is over.
func TestFollowOfAnEndingServer(t *testing.T) {
	l := newLink(t, func(s *Server) { pb.RegisterHistoryServiceServer(s.grpc, endingHistory{}) })
	count := 0
	for _, err := range l.History().Follow(t.Context(), 0) {
		if count++; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("yielded error %v", err)
		}
	}
	if count != 1 {
		t.Errorf("yielded %d times", count)
	}
}

// endingHistory is a server that breaks the contract of WatchRecords, and answers
// ListRecords with what no record can be.
type endingHistory struct {
	pb.UnimplementedHistoryServiceServer
}

func (endingHistory) WatchRecords(*pb.WatchRecordsRequest, grpc.ServerStreamingServer[pb.WatchRecordsResponse]) error {
	return nil
}

func (endingHistory) ListRecords(_ *pb.ListRecordsRequest, stream grpc.ServerStreamingServer[pb.ListRecordsResponse]) error {
	return stream.Send(&pb.ListRecordsResponse{Entries: []*pb.Entry{{Record: &pb.JobRecord{Outcome: 99}}}})
}

func TestMalformedResponseIsDamaged(t *testing.T) {
	l := newLink(t, func(s *Server) { pb.RegisterHistoryServiceServer(s.grpc, endingHistory{}) })
	var last error
	for _, err := range l.History().Records(t.Context(), time.Time{}, time.Time{}) {
		last = err
	}
	var invalid *predictor.ValidationError
	if !errors.Is(last, predictor.ErrDamaged) || errors.As(last, &invalid) || !strings.Contains(last.Error(), "outcome") {
		t.Errorf("error %v", last)
	}
}

// Leaving the loop ends the stream on the server as well.
func TestLeavingTheLoopEndsTheStream(t *testing.T) {
	ended := make(chan error, 1)
	l := newLink(t, func(s *Server) { pb.RegisterQueueServiceServer(s.grpc, &watchedQueue{ended: ended}) })
	for _, err := range l.Queue().WatchWaiting(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
}

// A watchedQueue sends one queue and tells how its stream ended.
type watchedQueue struct {
	pb.UnimplementedQueueServiceServer
	ended chan error
}

func (q *watchedQueue) WatchQueue(_ *pb.WatchQueueRequest, stream grpc.ServerStreamingServer[pb.WatchQueueResponse]) error {
	if err := stream.Send(&pb.WatchQueueResponse{}); err != nil {
		return err
	}
	<-stream.Context().Done()
	q.ended <- stream.Context().Err()
	return stream.Context().Err()
}
