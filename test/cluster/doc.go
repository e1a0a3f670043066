// Package cluster builds and runs a real Kubernetes control plane on loopback, from Go modules alone.
package cluster
