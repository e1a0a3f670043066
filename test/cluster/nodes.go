package cluster

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// A Node is a machine for kwok to play.
type Node struct {
	Name     string
	CPUs     int
	Memory   string // a quantity: 64Gi
	GPUs     int
	GPUModel string
	Labels   map[string]string
}

// AddNodes creates nodes and waits until each is ready.
func (c *Cluster) AddNodes(ctx context.Context, nodes ...Node) error {
	client := c.Client().CoreV1().Nodes()
	for _, n := range nodes {
		memory, err := resource.ParseQuantity(n.Memory)
		if err != nil {
			return fmt.Errorf("node %s: memory %q: %w", n.Name, n.Memory, err)
		}
		room := corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewQuantity(int64(n.CPUs), resource.DecimalSI),
			corev1.ResourceMemory: memory,
			corev1.ResourcePods:   *resource.NewQuantity(110, resource.DecimalSI),
		}
		labels := map[string]string{corev1.LabelHostname: n.Name}
		if n.GPUs > 0 {
			room["nvidia.com/gpu"] = *resource.NewQuantity(int64(n.GPUs), resource.DecimalSI)
			labels["nvidia.com/gpu.product"] = n.GPUModel
		}
		maps.Copy(labels, n.Labels)
		_, err = client.Create(ctx, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: labels},
			Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	for _, n := range nodes {
		only := fields.OneTermEqualSelector(metav1.ObjectNameField, n.Name).String()
		_, err := watchtools.UntilWithSync(ctx, &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.FieldSelector = only
				return client.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.FieldSelector = only
				return client.Watch(ctx, o)
			},
		}, &corev1.Node{}, nil, func(e watch.Event) (bool, error) {
			node, ok := e.Object.(*corev1.Node)
			return ok && ready(node), nil
		})
		if err != nil {
			return fmt.Errorf("node %s is not ready: %w", n.Name, err)
		}
	}
	return nil
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
