package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/recommender"
)

func newRecommender(g *globals) *cobra.Command {
	return newProcessCommand(g, "recommender", "Recommend what pods should ask for",
		`Write the status of the VerticalPodAutoscalers with spec.recommenders
[{name: runcast}], and of no others; VPA's own updater and admission controller act
on it. CronJobs and Jobs are sized by their finished runs, as the predictor knows
them; what keeps running by its use, as Prometheus knows it.`,
		func(p *process) error {
			estimates, err := p.dial("client.predictor", p.cfg.Client.Predictor)
			if err != nil {
				return err
			}
			return p.addRecommender(estimates.Estimator(), (*recommender.Loop).Run)
		})
}

// runIfVPA runs a recommender unless the cluster has no VPA, which up bears.
func (p *process) runIfVPA(loop *recommender.Loop, ctx context.Context) error {
	err := loop.Run(ctx)
	if errors.Is(err, recommender.ErrNoCRDs) {
		p.log.InfoContext(ctx, "the recommender is off", "reason", err)
		return nil
	}
	return err
}

func (p *process) addRecommender(est predictor.Estimator, run func(*recommender.Loop, context.Context) error) error {
	api, err := controllerConfig(p.cfg.Kubernetes.Kubeconfig)
	if err != nil {
		return fmt.Errorf("recommender: %w", err)
	}
	from := recommender.Sources{Estimator: est}
	source, err := p.prometheus()
	if err != nil {
		return err
	}
	if source != nil {
		from.Usage = source.WorkloadUsage
	}
	r := p.cfg.Recommender
	cfg := recommender.Config{Cluster: p.cfg.Cluster, Interval: time.Duration(r.Interval), MaxAllowed: r.MaxAllowed, Election: r.Election.config()}
	loop, err := recommender.New(cfg, api, from, p.log, p.metrics)
	if err != nil {
		return fmt.Errorf("recommender: %w", err)
	}
	p.loop("recommender", func(ctx context.Context) error { return run(loop, ctx) }, func() error {
		if last := loop.LastRound(); !last.IsZero() && p.now().Sub(last) > 4*cfg.Interval+time.Minute {
			return fmt.Errorf("no round since %s", last.Format(time.RFC3339))
		}
		return nil
	}, nil)
	return nil
}
