// Package model estimates how long a job will run and how much memory its largest
// pod will need, from the jobs that have finished.
package model
