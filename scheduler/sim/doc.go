// Package sim replays jobs through a scheduling policy in simulated time: events
// are submissions and ends, and after each the policy says what starts.
//
// The policy "runcast" is scheduler.Plan itself, the function that the cluster
// runs. Beside it stand the classic policies of the literature for one resource
// without placement, to compare with: EASY (Lifka, JSSPP 1995), EASY-SJBF and
// EASY++ (Tsafrir, Etsion and Feitelson, TPDS 2007), conservative backfill (Mu'alem
// and Feitelson, TPDS 2001), and shortest or smallest first.
//
// Nothing is preempted. A predictor answers at a job's submission and sees a job's
// runtime only once it has ended. The package reads no clock and draws no random
// number but from a given seed.
package sim
