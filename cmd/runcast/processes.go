package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector"
	collectorkube "github.com/runcast/runcast/collector/kube"
	"github.com/runcast/runcast/collector/promql"
	"github.com/runcast/runcast/collector/store"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/rpc"
	"github.com/runcast/runcast/predictor/serve"
	"github.com/runcast/runcast/predictor/train"
	"github.com/runcast/runcast/scheduler/kube"
)

func newCollector(g *globals) *cobra.Command {
	return newProcessCommand(g, "collector", "Learn of finished jobs, keep their history and the models",
		`Watch Jobs end, measure in Prometheus what they used, and keep the records in one
bbolt file. Serves the history and the registry of models over gRPC.`,
		func(p *process) error {
			s, err := p.openStore()
			if err != nil {
				return err
			}
			return p.addCollector(s)
		})
}

func newPredictor(g *globals) *cobra.Command {
	return newProcessCommand(g, "predictor", "Serve estimates",
		`Serve estimates over gRPC from the model in service, and follow the collector's
records and models, so that estimates improve between trainings.`,
		func(p *process) error {
			client, err := p.dial("client.collector", p.cfg.Client.Collector)
			if err != nil {
				return err
			}
			_, err = p.addPredictor(client.Models(), client.History())
			return err
		})
}

func newScheduler(g *globals) *cobra.Command {
	return newProcessCommand(g, "scheduler", "Release queued Jobs in the order that finishes them soonest",
		`Plan the suspended Jobs with the label runcast.dev/queue-name, and release each when
its turn has come. Serves the queue and its ETAs over gRPC. Without a predictor
it plans with the Jobs' own annotations, else in order of submission.`,
		func(p *process) error {
			client, err := p.dial("client.predictor", p.cfg.Client.Predictor)
			if err != nil {
				return err
			}
			return p.addScheduler(client.Estimator())
		})
}

func newUp(g *globals) *cobra.Command {
	return newProcessCommand(g, "up", "Run everything in one process on one file",
		`Run collector, training, predictor, scheduler and recommender in one process on
one bbolt file: for one small cluster, or a laptop. It keeps running whatever is
missing: without Prometheus it learns runtimes only, without Kubernetes it
schedules nothing, without the Vertical Pod Autoscaler it recommends nothing.`,
		addAll)
}

// addAll adds every part, on one store.
func addAll(p *process) error {
	s, err := p.openStore()
	if err != nil {
		return err
	}
	if err := p.addCollector(s); err != nil {
		return err
	}
	p.loop("train", func(ctx context.Context) error { return p.trainEvery(ctx, s, s) }, nil, nil)
	live, err := p.addPredictor(s, s)
	if err != nil {
		return err
	}
	if p.cfg.Kubernetes.Disabled {
		return nil
	}
	if !p.cfg.Recommender.Disabled {
		if err := p.addRecommender(live, p.runIfVPA); err != nil {
			return err
		}
	}
	if p.cfg.Scheduler.Disabled {
		return nil
	}
	return p.addScheduler(live)
}

// dial connects to another process; field is where the configuration says which.
func (p *process) dial(field, target string) (*rpc.Client, error) {
	if target == p.cfg.Server.Listen {
		return nil, fmt.Errorf("%s: expected the address of another process, got this one's own server.listen, %s", field, target)
	}
	client, err := rpc.Dial(p.cfg.client(target), p.log)
	if err != nil {
		return nil, err
	}
	p.closes = append(p.closes, client.Close)
	return client, nil
}

func (p *process) openStore() (*store.Store, error) {
	s, err := store.Open(p.cfg.Store.Path, store.Options{})
	if err != nil {
		return nil, err
	}
	p.closes = append(p.closes, s.Close)
	p.server.RegisterHistory(s)
	p.server.RegisterModels(s)
	p.server.RegisterBackup(s.Backup)
	p.storeGauges(s)
	return s, nil
}

// prometheus is the one source of usage of a process; nil if none is configured.
func (p *process) prometheus() (*promql.Source, error) {
	if p.cfg.Prometheus == nil || p.source != nil {
		return p.source, nil
	}
	source, err := promql.New(*p.cfg.Prometheus, p.log, p.metrics)
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	p.source = source
	return source, nil
}

var errNoSource = errors.New("nothing to learn from: set prometheus.url, or leave kubernetes.disabled out")

func (p *process) addCollector(s *store.Store) error {
	var sources collector.Sources
	if !p.cfg.Kubernetes.Disabled {
		client, err := kubeClient(p.cfg.Kubernetes.Kubeconfig)
		if err != nil {
			return fmt.Errorf("collector: %w (set kubernetes.disabled: true to learn from Prometheus alone)", err)
		}
		sources.Lifecycles, err = collectorkube.New(client, p.cfg.Cluster, p.log, p.metrics)
		if err != nil {
			return err
		}
	}
	source, err := p.prometheus()
	if err != nil {
		return err
	}
	if source != nil {
		sources.Usage, sources.History = source, source
	}
	if sources == (collector.Sources{}) {
		return errNoSource
	}
	c, err := collector.New(collector.Config{
		Lag:        time.Duration(p.cfg.Collector.Lag),
		HistoryLag: time.Duration(p.cfg.Collector.HistoryLag),
		Backfill:   time.Duration(p.cfg.Collector.Backfill),
		Window:     time.Duration(p.cfg.Collector.Window),
		MaxAge:     time.Duration(p.cfg.Store.MaxAge),
		MaxRecords: p.cfg.Store.MaxRecords,
	}, sources, s, p.log, p.metrics)
	if err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	p.loop("collector", c.Run, c.Alive, nil)
	return nil
}

func (p *process) addPredictor(models predictor.Models, history predictor.History) (*serve.Live, error) {
	if dir := p.cfg.Predictor.CacheDir; dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("predictor.cache_dir: %w", err)
		}
	}
	live := serve.New(models, history, serve.Options{Dir: p.cfg.Predictor.CacheDir, Log: p.log})
	p.server.RegisterEstimator(live)
	p.liveGauges(live)
	p.loop("predictor", live.Run, nil, func() error {
		s := live.State()
		if s.Model.Version != "" || s.Vacant { // asked for an estimate without a model, it says so
			return nil
		}
		return cmp.Or(s.Err, errors.New("not known yet which model is in service"))
	})
	return live, nil
}

// webhookOutlives is how long the webhook serves once its process is asked to end. A
// Service sends the API server to a pod that ends until every node has heard that it does;
// Jobs that nobody answers for start unqueued. With the five seconds that requests under
// way have then, it is within a pod's termination grace period, 30 s by default.
const webhookOutlives = 5 * time.Second

func (p *process) addScheduler(est predictor.Estimator) error {
	client, err := kubeClient(p.cfg.Kubernetes.Kubeconfig)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	source, err := p.prometheus()
	if err != nil {
		return err
	}
	s := p.cfg.Scheduler
	cfg := kube.Config{Cluster: p.cfg.Cluster, Weights: s.weights(), MaxInterval: time.Duration(s.Replan), Election: s.Election.config()}
	if source != nil {
		cfg.Progress = source.Progress
	}
	loop, err := kube.New(cfg, client, est, p.cfg.policy(), p.log, p.metrics)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	p.server.RegisterQueue(loop)
	p.loop("scheduler", loop.Run,
		func() error {
			if h := loop.Health(); !h.LastPlan.IsZero() && p.now().Sub(h.LastPlan) > 4*time.Duration(s.Replan)+time.Minute {
				return fmt.Errorf("no plan since %s", h.LastPlan.Format(time.RFC3339))
			}
			return nil
		},
		func() error {
			if loop.Health().LastPlan.IsZero() {
				return errors.New("no plan yet: waiting for the API server")
			}
			return nil
		})
	if w := s.Webhook; w.Listen != "" {
		certificate, err := (&rpc.ServerTLS{CertFile: w.CertFile, KeyFile: w.KeyFile}).GetCertificate(p.log)
		if err != nil {
			return fmt.Errorf("scheduler.webhook: %w", err)
		}
		p.loop("webhook", func(ctx context.Context) error {
			ctx, cancel := outliving(ctx, webhookOutlives)
			defer cancel()
			return serveHTTP(ctx, &http.Server{Addr: w.Listen, Handler: kube.NewWebhook(p.log), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate}})
		}, nil, nil)
	}
	return nil
}

// firstTraining is how soon a training is tried again while there is too little
// history, or the last one failed.
const firstTraining = time.Minute

// trainEvery trains soon after the start and then at intervals.
func (p *process) trainEvery(ctx context.Context, history predictor.History, models predictor.Models) error {
	wait := 10 * time.Second // the collector's first records
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		info, err := train.Train(ctx, history, models, train.Training{Now: time.Now})
		switch wait = time.Duration(p.cfg.Train.Every); {
		case err == nil:
			p.log.InfoContext(ctx, "model published", "version", info.Version, "reason", info.Reason)
		case errors.Is(err, predictor.ErrNotBetter):
			p.log.InfoContext(ctx, "model not published", "version", info.Version, "reason", info.Reason)
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was asked to end
		default:
			wait = firstTraining
			p.log.InfoContext(ctx, "not trained", "retry_in", wait, "error", err)
		}
	}
}
