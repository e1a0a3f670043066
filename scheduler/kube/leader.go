package kube

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// elect runs for leadership, again whenever it was lost, until ctx ends, and then
// gives the Lease up. While it leads, l.term is set.
func (l *Loop) elect(ctx context.Context, background *sync.WaitGroup) error {
	if !l.cfg.Election.held() {
		l.lead(ctx)
		return nil
	}
	e := l.cfg.Election
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: e.Name,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
			Client:     l.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
		},
		LeaseDuration: e.LeaseDuration, RenewDeadline: e.RenewDeadline, RetryPeriod: e.RetryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: l.lead,
			OnStoppedLeading: l.follow,
			OnNewLeader:      func(id string) { l.log.Info("leader", "identity", id) },
		},
	})
	if err != nil {
		return fmt.Errorf("election: %w", err)
	}
	background.Go(func() {
		for ctx.Err() == nil {
			elector.Run(ctx)
		}
	})
	return nil
}

// lead starts to act, for as long as term lasts.
func (l *Loop) lead(term context.Context) {
	l.term.Store(&term)
	l.markDirty()
}

func (l *Loop) follow() {
	l.term.Store(nil)
	l.markDirty()
}
