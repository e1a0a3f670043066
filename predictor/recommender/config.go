package recommender

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runcast/runcast/predictor/election"
)

// Name is what a VerticalPodAutoscaler has in spec.recommenders to choose this one.
const Name = "runcast"

// ErrNoCRDs is returned by Loop.Run on a cluster without the VPA's types.
var ErrNoCRDs = errors.New("the cluster has no VerticalPodAutoscaler of autoscaling.k8s.io/v1: install the CustomResourceDefinitions of the Vertical Pod Autoscaler, and restart")

// A Config says how a Loop works.
type Config struct {
	// Cluster is JobSpec.Cluster of the jobs of this cluster.
	Cluster string
	// Interval is the longest time between two rounds; a VerticalPodAutoscaler that
	// comes or changes is seen at once.
	Interval time.Duration
	// MaxAllowed bounds what a container is recommended where its policy has no
	// maxAllowed, CPU and memory.
	MaxAllowed corev1.ResourceList
	// Election chooses one acting replica among several.
	Election election.Config
}

func (c Config) validate() error {
	var errs []error
	if c.Interval <= 0 {
		errs = append(errs, errors.New("interval: expected a positive duration"))
	}
	for name, q := range c.MaxAllowed {
		if name != corev1.ResourceCPU && name != corev1.ResourceMemory || q.Sign() <= 0 {
			errs = append(errs, errors.New("max_allowed: expected positive amounts of cpu and memory alone"))
			break
		}
	}
	return errors.Join(errs...)
}
