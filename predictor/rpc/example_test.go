package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/rpc"
)

// connect serves a new store on a free port of loopback and returns a client of it.
func connect() (client *rpc.Client, stop func()) {
	dir, err := os.MkdirTemp("", "runcast")
	if err != nil {
		log.Fatal(err)
	}
	history, err := store.Open(filepath.Join(dir, "runcast.bolt"), store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	// With an address of its own in Listen, a program would call Run.
	server, err := rpc.NewServer(rpc.ServerConfig{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		log.Fatal(err)
	}
	server.RegisterHistory(history)
	server.RegisterModels(history)
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()

	client, err = rpc.Dial(rpc.ClientConfig{Target: listener.Addr().String()}, slog.New(slog.DiscardHandler))
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		err := client.Close()
		cancel()
		if err := errors.Join(err, <-served, history.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

func record(id string, finished int64) predictor.JobRecord {
	end := time.Unix(finished, 0).UTC()
	return predictor.JobRecord{
		JobSpec: predictor.JobSpec{ID: id, Submitted: end.Add(-time.Hour)},
		Started: end.Add(-time.Minute), Finished: end, Outcome: predictor.Succeeded,
	}
}

// A remote port is used as a local one.
func Example() {
	client, stop := connect()
	defer stop()

	ctx := context.Background()
	history := client.History()
	if _, err := history.Put(ctx, []predictor.JobRecord{record("b", 2e9), record("a", 1e9)}); err != nil {
		log.Fatal(err)
	}
	for entry, err := range history.Records(ctx, time.Time{}, time.Time{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Sequence, entry.ID, entry.Runtime())
	}
	// Output:
	// 2 a 1m0s
	// 1 b 1m0s
}

// Errors are those of the port, whatever is in between.
func ExampleClient_errors() {
	client, stop := connect()
	defer stop()

	ctx := context.Background()
	_, err := client.Models().Champion(ctx)
	fmt.Println(errors.Is(err, predictor.ErrNoModel))

	var invalid *predictor.ValidationError
	_, err = client.History().Put(ctx, []predictor.JobRecord{record("a", 1e9), {}})
	if errors.As(err, &invalid) {
		fmt.Println(invalid.Violations[0].Field)
	}
	// Output:
	// true
	// records[1].id
}

// A follower goes on after the last sequence it has seen. What it waits between
// attempts is its own affair.
func ExampleClient_History_follow() {
	client, stop := connect()
	defer stop()

	ctx, done := context.WithCancel(context.Background())
	defer done()
	if _, err := client.History().Put(ctx, []predictor.JobRecord{record("a", 1e9), record("b", 2e9)}); err != nil {
		log.Fatal(err)
	}
	var seen uint64
	for ctx.Err() == nil {
		for entry, err := range client.History().Follow(ctx, seen) {
			if err != nil {
				break // the connection is gone, or ctx has ended
			}
			fmt.Println(entry.ID)
			if seen = entry.Sequence; seen == 2 {
				done() // enough for an example
			}
		}
	}
	// Output:
	// a
	// b
}
