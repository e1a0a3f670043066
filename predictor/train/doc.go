// Package train fits models to a history of finished jobs, measures them by a causal
// walk-forward replay against simple rules, and publishes a new model only if it is
// not worse than the one in service. It knows no database and reads no clock.
package train
