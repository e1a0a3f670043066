// Package scheduler is the pure decision core: Plan turns a Snapshot of the
// cluster into decisions with their reasons. Data in, data out; time is part of
// the Snapshot. The cluster's loop, the simulator and the tests run the same
// function.
//
// It orders waiting jobs by expected runtime and size within a priority tier,
// reserves room for the head from p90 remaining times (EASY: Lifka, JSSPP 1995),
// lets others pass if they do not delay that reservation (backfill with predicted
// runtimes: Tsafrir et al., TPDS 2007), and ages what waits so that nothing starves.
package scheduler
