package predictor

import "time"

// A ContainerUsage is what one container of a workload that keeps running has used
// in one interval: in the pod, of all its replicas, that used most. Zero means not
// measured.
type ContainerUsage struct {
	Container string
	End       time.Time // of the interval
	CPUCores  float64   // peak in it, over some two minutes
	Memory    Bytes     // peak in it
}
