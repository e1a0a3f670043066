// Package porttest checks that an implementation of a port of package predictor
// does what the port says. Every implementation calls it from its tests.
package porttest
