// Package predictor is Runcast's vocabulary: what is known of a job when it is
// submitted (JobSpec), what is known when it has ended (JobRecord), and what is
// predicted in between (Estimate), with the ports through which these travel
// (Estimator, History, Models, Queue).
//
// It imports only the standard library, reads no clock and keeps no state; every
// other package speaks in its terms.
//
// Units: points in time are time.Time (UTC), spans time.Duration, memory Bytes,
// CPU in cores. At the edges (files, wire, annotations) the unit stands in the name.
package predictor
