// Command runcast-demo shows the main job without a cluster: a made-up month of a
// cluster's jobs is exposed as Prometheus would have scraped it; the real
// collector reads it with the real PromQL engine into a real store, the real
// trainer fits a model, the real predictor serves it over gRPC, and the real
// planner puts queues of new jobs in order, in simulated time.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sync/errgroup"

	"github.com/runcast/runcast/collector"
	"github.com/runcast/runcast/collector/promql"
	"github.com/runcast/runcast/collector/promql/promtest"
	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/rpc"
	"github.com/runcast/runcast/predictor/serve"
	"github.com/runcast/runcast/predictor/train"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil: // whatever the parts say of it
		fmt.Fprintln(os.Stderr, "\nruncast-demo: interrupted; nothing is left behind")
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "runcast-demo:", err)
		os.Exit(1)
	}
	stop()
}

// A demo holds what one step leaves for the next.
type demo struct {
	out  io.Writer
	log  *slog.Logger
	dir  string
	src  *rand.Rand
	days int
	// queues is how many are played. One alone would tell little: how much better an order
	// is depends on who comes.
	queues int
	// keep names the store's file; empty for one that is removed at the end.
	keep string
	// terminal is set if out is one.
	terminal bool

	past   []job // the month, as it was
	store  *store.Store
	client *rpc.Client
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("runcast-demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	days := flags.Int("days", 30, "length of the made-up history")
	seed := flags.Uint64("seed", 1, "seed of everything made up")
	keep := flags.String("keep", "", "keep the history in this bbolt `file`, for runcast simulate --store and report --store")
	verbose := flags.Bool("v", false, "log what the parts do")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *days < 1 || *days > 60 || flags.NArg() > 0 {
		return errors.New("usage: runcast-demo [-days 1..60] [-seed N] [-keep FILE] [-v]")
	}
	level := slog.LevelError
	if *verbose {
		level = slog.LevelInfo
	}
	d := &demo{
		out: stdout, days: *days, queues: 8, keep: *keep, src: rand.New(rand.NewPCG(*seed, 0)),
		log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
	}
	if f, ok := stdout.(*os.File); ok {
		info, err := f.Stat()
		d.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return d.show(ctx)
}

// show runs the demo, step by step.
func (d *demo) show(ctx context.Context) (err error) {
	if _, err := os.Lstat(d.keep); d.keep != "" && err == nil {
		return fmt.Errorf("%s is there already: what is made up would be mixed with what is in it", d.keep)
	}
	if d.dir, err = os.MkdirTemp("", "runcast-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if d.store, err = store.Open(cmp.Or(d.keep, filepath.Join(d.dir, "runcast.bolt")), store.Options{}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, d.store.Close())
		if err != nil && d.keep != "" {
			err = errors.Join(err, os.Remove(d.keep)) // half a history is none
		}
	}()

	d.introduce()
	if err := d.learn(ctx); err != nil {
		return err
	}
	if err := d.train(ctx); err != nil {
		return err
	}
	return d.serve(ctx, func(ctx context.Context) error {
		queues := d.drawQueues()
		if err := d.predict(ctx, slices.Concat(queues...)); err != nil {
			return err
		}
		if err := d.schedule(ctx, queues); err != nil {
			return err
		}
		d.conclude()
		return nil
	})
}

// learn makes up the month, exposes it, and lets the collector read it.
func (d *demo) learn(ctx context.Context) (err error) {
	to := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	from := to.AddDate(0, 0, -d.days)
	d.past = workload(d.src, from, to.Add(-time.Hour))
	for i := range d.past { // the month had room to spare: pods started within a minute
		d.past[i].started = d.past[i].submitted.Add(time.Duration(5+d.src.IntN(50)) * time.Second)
	}
	d.past = slices.DeleteFunc(d.past, func(j job) bool { return j.finished().After(to) })

	options := tsdb.DefaultOptions()
	options.MinBlockDuration = (70 * 24 * time.Hour).Milliseconds() // all of it stays in memory
	options.MaxBlockDuration = options.MinBlockDuration
	options.RetentionDuration = options.MinBlockDuration
	db, err := tsdb.Open(filepath.Join(d.dir, "prometheus"), slog.New(slog.DiscardHandler), nil, options, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	watch := time.Now()
	samples, err := expose(ctx, db, d.past, from, to.Add(ttl))
	if err != nil {
		return err
	}
	d.reportPast(samples, time.Since(watch))

	address, stop, err := listenHTTP(promtest.NewHandler(db, promtest.NewEngine(0)))
	if err != nil {
		return err
	}
	defer stop()
	source, err := promql.New(promql.Config{URL: "http://" + address, ScrapeInterval: promqlDuration(scrapeInterval)}, d.log, nil)
	if err != nil {
		return err
	}
	c, err := collector.New(collector.Config{
		Backfill: time.Since(from) + time.Hour, Window: 6 * time.Hour, Lag: scrapeInterval, HistoryLag: scrapeInterval,
	}, collector.Sources{Usage: source, History: source}, d.store, d.log, nil)
	if err != nil {
		return err
	}
	watch = time.Now()
	if err := d.collect(ctx, c, to); err != nil {
		return err
	}
	return d.reportRecords(ctx, address, time.Since(watch))
}

// collect runs the collector until it has read the history up to a time.
func (d *demo) collect(ctx context.Context, c *collector.Collector, to time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error {
		defer cancel()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			mark, err := d.store.Watermark(ctx, collector.Watermark)
			if err != nil {
				return err
			}
			d.progress("reading", mark, to)
			if !mark.Before(to) {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	})
	return g.Wait()
}

func (d *demo) train(ctx context.Context) error {
	watch := time.Now()
	info, err := train.Train(ctx, d.store, d.store, train.Training{Now: time.Now})
	if err != nil {
		return err
	}
	d.reportModel(info, time.Since(watch))
	return nil
}

// serve runs a predictor and calls use while it serves over gRPC.
func (d *demo) serve(ctx context.Context, use func(context.Context) error) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	server, err := rpc.NewServer(rpc.ServerConfig{Listen: address}, d.log, nil)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	live := serve.New(d.store, d.store, serve.Options{Log: d.log})
	server.RegisterEstimator(live)
	if d.client, err = rpc.Dial(rpc.ClientConfig{Target: address, WaitForReady: true, Timeout: 30 * time.Second}, d.log); err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return live.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx, listener) })
	g.Go(func() error {
		defer cancel()
		if err := d.awaitModel(ctx); err != nil {
			return err
		}
		fmt.Fprintf(d.out, "\n4. Predicted against actual: the model answers over gRPC on %s\n", address)
		return use(ctx)
	})
	return errors.Join(g.Wait(), d.client.Close())
}

// awaitModel asks until the predictor has loaded its model.
func (d *demo) awaitModel(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := d.client.Estimator().Estimate(ctx, []predictor.JobSpec{d.past[0].spec()})
		if !errors.Is(err, predictor.ErrNoModel) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// listenHTTP serves h on a free port of loopback until stop is called.
func listenHTTP(h http.Handler) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends by Close; the collector reports a server that is gone
	}()
	return l.Addr().String(), func() { s.Close(); <-done }, nil
}
