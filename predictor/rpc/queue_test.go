package rpc

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func waiting(namespace, name string, position int) predictor.QueueEntry {
	at := time.Unix(1e9, 5).UTC()
	return predictor.QueueEntry{
		Namespace: namespace, Name: name, Queue: "batch", Position: position, Submitted: at, StartP50: at.Add(time.Hour),
		Decision: "waits for node n1", Estimate: predictor.Estimate{Runtime: predictor.Exactly(time.Minute), Source: "history"},
	}
}

func TestQueueIsTheSameRemotely(t *testing.T) {
	a, b := waiting("ml", "a", 1), waiting("web", "b", 2)
	queue := newLine(a, b)
	remote := newLink(t, func(s *Server) { s.RegisterQueue(queue) }).Queue()
	ctx := t.Context()
	for namespace, want := range map[string][]predictor.QueueEntry{"": {a, b}, "web": {b}, "none": {}} {
		got, err := remote.Waiting(ctx, namespace)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("waiting in %q: %v\n%s", namespace, err, diff)
		}
	}
	if got, err := remote.ETA(ctx, "web", "b"); err != nil || cmp.Diff(b, got) != "" {
		t.Errorf("eta = %+v, %v", got, err)
	}
	if _, err := remote.ETA(ctx, "web", "a"); !errors.Is(err, predictor.ErrNotFound) || err.Error() != "job web/a: not found" {
		t.Errorf("eta of an unknown job: %v", err)
	}
	want, _ := queue.Load(ctx)
	if got, err := remote.Load(ctx); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("load = %+v, %v", got, err)
	}
	steps := []func(){
		func() { queue.set(b) },
		func() { queue.set() },
		nil,
	}
	wants := [][]predictor.QueueEntry{{a, b}, {b}, {}}
	for got, err := range remote.WatchWaiting(ctx, "") {
		if diff := cmp.Diff(wants[0], got); diff != "" || err != nil {
			t.Fatalf("watch: %v\n%s", err, diff)
		}
		if steps[0] == nil {
			break
		}
		steps[0]()
		steps, wants = steps[1:], wants[1:]
	}
}

func TestInvalidQueueRequests(t *testing.T) {
	l := newLink(t, func(s *Server) { s.RegisterQueue(newLine()) })
	ctx, long := t.Context(), strings.Repeat("x", maxNameLength+1)
	server := pb.NewQueueServiceClient(l.conn)
	_, err := l.Queue().Waiting(ctx, long)
	checkViolations(t, err, "namespace")
	_, err = server.ListQueue(ctx, &pb.ListQueueRequest{Namespace: long})
	checkViolations(t, err, "namespace")
	_, err = l.Queue().ETA(ctx, "", "\xff")
	checkViolations(t, err, "namespace", "name")
	_, err = server.GetEta(ctx, &pb.GetEtaRequest{})
	checkViolations(t, err, "namespace", "name")
	for _, err = range l.Queue().WatchWaiting(ctx, long) {
	}
	checkViolations(t, err, "namespace")
	stream, err := server.WatchQueue(ctx, &pb.WatchQueueRequest{Namespace: long})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	checkViolations(t, err, "namespace")
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("code %v", status.Code(err))
	}
}
