package scheduler

import (
	"time"

	"github.com/runcast/runcast/predictor"
)

// A Vector holds one amount for each name in Snapshot.Resources, in its order
// and unit. A missing tail reads as zero.
type Vector []int64

// A Snapshot is the cluster as the plan sees it at Now. Plan does not change it.
type Snapshot struct {
	Now time.Time
	// Resources names the dimensions of every Vector: "cpu" (millicores),
	// "memory" (bytes), "pods", "nvidia.com/gpu", other extended resources; or
	// one "processors" for a trace without placement.
	Resources []string
	Nodes     []Node
	// Classes are sets of nodes that jobs may use: Classes[c][n] tells whether a
	// job of class c may run on Nodes[n] (taints, selectors, affinity, readiness).
	Classes [][]bool
	Running []Running
	// Weights, all positive, say by what the queues share the cluster: within a tier the
	// queue with the least dominant share for its weight goes next. A queue that is not
	// named has weight 1. Nil: the jobs of all queues stand in one order.
	Weights map[string]float64
	Pending []Pending
	// Forecast is that of the last plan's Schedule: while it is fresh, none other is made.
	// Nil: one is.
	Forecast *Forecast
}

// A Node is a place with room for pods.
type Node struct {
	Name     string
	Capacity Vector // allocatable
}

// A Running job holds room now: one of ours that was released, or pods that are
// not ours.
type Running struct {
	ID, Queue string
	// Foreign pods were not released by us: a service, a DaemonSet, another queue's
	// job, whose room is not ours when it ends. They never end in a plan.
	Foreign bool
	Request Vector // one pod's
	// Pods has an element for each pod: the index in Nodes, or -1 for a pod that
	// has been released and is not yet bound.
	Pods  []int
	Class int // for pods not yet bound; unused otherwise
	// Preferred are the nodes that pods not yet bound are to go to if they have room:
	// those that the plan counted on which released them.
	Preferred []int
	// Started is zero for a job that was released and has not started.
	Started time.Time
	// Remaining is counted from Now. Zero means unknown: planned as ending some
	// time after everything that can be foreseen.
	Remaining predictor.Quantiles[time.Duration]
}

// A Pending job waits to be released.
type Pending struct {
	ID, Namespace, Name, Queue string

	Tier      int32     // value of the PriorityClass; higher goes first
	Submitted time.Time // since when it waits
	Pods      int       // gang size, at least 1: all start together or none
	Request   Vector    // one pod's
	Class     int       // index in Snapshot.Classes

	Runtime predictor.Quantiles[time.Duration] // zero: unknown, planned last in its tier, in order of submission
	Mean    time.Duration                      // expected runtime, for ordering; zero: Runtime.P50

	// ReservedStart and ReservedNodes are ReservedStart and Nodes of the last plan's
	// Decision if that was Reserved; zero, and nil, if it was not or they are not known.
	ReservedStart time.Time
	ReservedNodes []int     // those of a node together
	Deadline      time.Time // soft; zero: none
	EarliestStart time.Time // zero: at once
}
