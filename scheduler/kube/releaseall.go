package kube

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

// ReleaseAll releases every Job that waits in a namespace ("" for all), in no
// order: for the day on which the scheduler is gone for good. It returns how many
// it released; Jobs that it could not release do not stop it and are in the error.
func ReleaseAll(ctx context.Context, client kubernetes.Interface, namespace string) (int, error) {
	jobs, err := client.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{LabelSelector: jobspec.LabelQueue})
	if err != nil {
		return 0, fmt.Errorf("list jobs: %w", err)
	}
	n := notice{verdict: scheduler.Released, reason: "all waiting jobs were released by hand"}
	released := 0
	var errs []error
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if standingOf(job) != waiting {
			continue
		}
		if _, err := patchJob(ctx, client, job, releasePatch(job, nil, nil, n.annotations())); err != nil {
			errs = append(errs, err)
			continue
		}
		released++
	}
	return released, errors.Join(errs...)
}
