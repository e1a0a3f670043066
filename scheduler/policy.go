package scheduler

import (
	"errors"
	"math"
	"time"
)

// A Policy holds the few numbers that Plan may be tuned with. DefaultPolicy is
// the one to start from; the zero Policy is not valid.
type Policy struct {
	// SizeExponent is a in score = expected runtime × dominant share^a / (1 + wait/T).
	// 0 puts short jobs first whatever their size: best while the queue is short.
	// 1 puts small areas first: best while a long queue is drained. At least 0.
	SizeExponent float64
	// AgeingTime is T: a job that has waited for T counts as half as long. While all that
	// waits would take the whole cluster longer than OverdueAfter × T, T is stretched to
	// match, at most seven times: else a long queue would be worked off in order of
	// submission. Positive.
	AgeingTime time.Duration
	// OverdueAfter is how many T a job may wait before it goes to the head of its tier,
	// and of its queue if they have weights, where jobs stand in order of submission: no
	// stream of shorter jobs delays a job for longer. 0 makes every job overdue, which is
	// plain order of submission. At least 0.
	OverdueAfter float64
	// Reservations is how many jobs that do not fit get their room reserved, in
	// order (EASY has 1); of each queue if they have weights. With 0 whatever fits starts,
	// and wide jobs starve. At least 0.
	Reservations int
	// FirmWithin is how near the start of a reservation must be for later plans to
	// keep it, whatever shorter jobs have come since, and for how long after its start
	// it is kept while something overruns. That of a job whose runtime is unknown never
	// is. With 0 none is. At least 0.
	FirmWithin time.Duration
	// DeadlineReservations is how many jobs with a deadline, earliest deadline
	// first within each tier, get a reservation of their own that still meets it, or is
	// likely to; reservations that are kept count. At least 0.
	DeadlineReservations int
	// LargeShare is the part of the largest node from which a pod counts as
	// large: large pods go to the roomiest nodes, smaller ones to those that are in use for
	// as long anyway, of these to the tightest.
	// With 0 all are spread, with more than 1 all go to the tightest. At least 0.
	LargeShare float64
	// Overtaking is by how much jobs still to come prolong the wait of one without
	// a reservation, at the 90th percentile, as a part of the wait foretold. At least 0.
	Overtaking float64
	// ForecastEffort bounds the work of foretelling starts and ends, counted in
	// looks at one node; what it does not reach is foretold as if the cluster were
	// one machine (see forecast.go). 0 forecasts only what starts now. At least 0.
	ForecastEffort int
	// Search is how many other orders are tried at most, each planned with in full; one is
	// kept if all that waits waits less with it, really (see search.go). Only jobs of a tier
	// change places that are neither overdue nor of unknown runtime. More than 20 bring next
	// to nothing. At least 0.
	Search int
}

// DefaultPolicy returns the policy that Plan runs with if nothing else is known
// of the workload.
func DefaultPolicy() Policy {
	return Policy{
		SizeExponent:         0.25,
		AgeingTime:           24 * time.Hour,
		OverdueAfter:         2,
		Reservations:         1,
		FirmWithin:           2 * time.Minute, // costs nothing on KTH-SP2; 5 minutes cost up to 1.3 % of mean flow time, no bound at least 2.5 %
		DeadlineReservations: 16,
		LargeShare:           1,
		Overtaking:           0.6, // measured on the logs of KTH-SP2 and LANL-CM5, with estimates that err by sigma 0.5 and 1
		ForecastEffort:       4_000_000,
		Search:               20,
	}
}

// Validate reports every field that is out of its range.
func (p Policy) Validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	amount := func(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }
	check(amount(p.SizeExponent), "size exponent: expected a finite number of at least 0")
	check(p.AgeingTime > 0, "ageing time: expected a positive duration")
	check(amount(p.OverdueAfter), "overdue after: expected a finite number of at least 0")
	check(p.Reservations >= 0, "reservations: expected at least 0")
	check(p.FirmWithin >= 0, "firm within: expected a duration of at least 0")
	check(p.DeadlineReservations >= 0, "deadline reservations: expected at least 0")
	check(amount(p.LargeShare), "large share: expected a finite number of at least 0")
	check(amount(p.Overtaking), "overtaking: expected a finite number of at least 0")
	check(p.ForecastEffort >= 0, "forecast effort: expected at least 0")
	check(p.Search >= 0, "search: expected at least 0")
	return errors.Join(errs...)
}
