// Package election has one of several replicas act at a time, by a Lease of
// coordination.k8s.io.
package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// A Config is what the replicas agree on, but for Identity. Its zero value means that
// there is only one replica, which always acts.
type Config struct {
	Namespace, Name string // of the Lease; both or none
	Identity        string // of this replica, unique: the pod's name
	// LeaseDuration is how long a leader that went silent keeps the others waiting; it
	// stops acting itself after two thirds of that. Default 15 s.
	LeaseDuration time.Duration
}

// An Election is one replica's part.
type Election struct {
	elector *leaderelection.LeaderElector // nil: there is no other replica
	terms   chan context.Context          // of this replica's leadership
}

// New makes an Election.
func New(c Config, client kubernetes.Interface, log *slog.Logger) (*Election, error) {
	if (c.Name == "") != (c.Namespace == "") || c.Name != "" && c.Identity == "" {
		return nil, errors.New("election: expected the Lease's namespace and name and an identity, or none of them")
	}
	if c.Name == "" {
		return &Election{}, nil
	}
	if c.LeaseDuration == 0 {
		c.LeaseDuration = 15 * time.Second
	}
	e := &Election{terms: make(chan context.Context)}
	var err error
	e.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: c.Name,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.Identity},
		},
		// client-go's own proportions
		LeaseDuration: c.LeaseDuration, RenewDeadline: c.LeaseDuration * 2 / 3, RetryPeriod: c.LeaseDuration * 2 / 15,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				select {
				case e.terms <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() {},
			OnNewLeader:      func(id string) { log.Info("leader", "identity", id) },
		},
	})
	if err != nil {
		return nil, fmt.Errorf("election: %w", err)
	}
	return e, nil
}

// Run calls act whenever this replica leads, with a context that ends when it no longer
// does, until ctx ends; then it gives the Lease up, once act has returned. It may be called
// once.
func (e *Election) Run(ctx context.Context, act func(context.Context)) {
	if e.elector == nil {
		act(ctx)
		return
	}
	standing, resign := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		for standing.Err() == nil {
			e.elector.Run(standing)
		}
	}()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case term := <-e.terms:
			acting, stop := context.WithCancel(ctx)
			cancel := context.AfterFunc(term, stop) //nolint:contextcheck // acting ends with ctx and with the term alike
			act(acting)
			cancel()
			stop()
		}
	}
	resign()
	<-over
}
