package recommender

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// elected calls act whenever this replica leads, with a context that ends when it no
// longer does, until ctx ends; then it gives the Lease up, once act has returned.
func (l *Loop) elected(ctx context.Context, act func(context.Context)) error {
	e := l.cfg.Election
	if e.Name == "" {
		act(ctx)
		return nil
	}
	lead := make(chan context.Context)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: e.Name,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
			Client:     l.kube.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
		},
		// client-go's own proportions
		LeaseDuration: e.LeaseDuration, RenewDeadline: e.LeaseDuration * 2 / 3, RetryPeriod: e.LeaseDuration * 2 / 15,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				select {
				case lead <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() {},
			OnNewLeader:      func(id string) { l.log.Info("leader", "identity", id) },
		},
	})
	if err != nil {
		return fmt.Errorf("election: %w", err)
	}
	standing, resign := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		for standing.Err() == nil {
			elector.Run(standing)
		}
	}()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case term := <-lead:
			acting, stop := context.WithCancel(ctx)
			cancel := context.AfterFunc(term, stop) //nolint:contextcheck // acting ends with the loop and with the term alike
			act(acting)
			cancel()
			stop()
		}
	}
	resign()
	<-over
	return nil
}
