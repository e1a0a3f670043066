package scheduler

import "time"

// A Verdict says what becomes of a pending job now.
type Verdict string

// The verdicts; their text is the reason of the Kubernetes Event.
const (
	Released   Verdict = "Released"   // starts now, in its turn
	Backfilled Verdict = "Backfilled" // starts now, ahead of its turn, delaying no reservation
	Reserved   Verdict = "Reserved"   // waits with a reservation
	Held       Verdict = "Held"       // waits
)

// Starts reports whether the job is to be released now.
func (v Verdict) Starts() bool { return v == Released || v == Backfilled }

// A Schedule is the result of Plan.
type Schedule struct {
	// Decisions has one element for each pending job, in planned order: those
	// that start now first, then the order in which the others are expected to.
	Decisions []Decision
	// Unserved is what jobs ask for that no end of another job can make room for:
	// the demand that an autoscaler could meet with more or larger nodes.
	Unserved []Demand
	// Forecast is to be handed to the next plan; nil if nothing was foretold.
	Forecast *Forecast
}

// A Demand is a number of equal pods that no node can run.
type Demand struct {
	Class   int // of the nodes that they may use
	Request Vector
	Pods    int // of all such jobs, whole gangs
}

// A Decision is what becomes of one pending job, and why.
type Decision struct {
	Job     int // index in Snapshot.Pending
	Verdict Verdict
	// Reason is one sentence an operator can read: "waits for 8 nvidia.com/gpu
	// on one node, expected at 14:05 when ml/train-7 ends".
	Reason string
	// Nodes are the indexes of the nodes the plan counts on, one for each pod:
	// a hint for placement, set for jobs that start and for reservations.
	Nodes []int
	// ReservedStart is the p90 start of a reservation, to be handed to the next plan,
	// which keeps it if it is near (Policy.FirmWithin). Zero if there is no
	// reservation, or nobody can foresee its start.
	ReservedStart time.Time
	// Start and End are forecasts; the zero time if none can be foreseen (the
	// job fits no node, or waits for something without an end).
	// P50 counts with the median runtimes, P90 with the 90th percentiles.
	StartP50, StartP90, EndP50, EndP90 time.Time
}

// times are the four forecasts.
func (d *Decision) times() [4]*time.Time {
	return [4]*time.Time{&d.StartP50, &d.StartP90, &d.EndP50, &d.EndP90}
}
