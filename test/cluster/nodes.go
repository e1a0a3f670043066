package cluster

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
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

// AddNodes creates nodes and waits until pods can be bound to each: some two seconds.
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
		err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			node, err := client.Get(ctx, n.Name, metav1.GetOptions{})
			return err == nil && ready(node), err
		})
		if err != nil {
			return fmt.Errorf("node %s is not ready: %w", n.Name, err)
		}
	}
	return nil
}

// ready tells whether pods may go to the node: its taint of the time before stays a little longer than that.
func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0
		}
	}
	return false
}
