package rpc

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Every message has two functions: toX writes it and never fails; fromX reads it
// and reports to violations what no value of the vocabulary can stand for. What a
// value may be is the vocabulary's own Validate to say.

// toTime writes the zero time as an absent one.
func toTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromTime(v *violations, field string, ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	if !ts.IsValid() {
		v.add(field, "a time between the years 1 and 9999, with 0 to 999999999 nanoseconds")
		return time.Time{}
	}
	return ts.AsTime()
}

// toSpan writes the zero duration as an absent one.
func toSpan(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func fromSpan(v *violations, field string, d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	// A time.Duration ends at 292 years, the wire's at 10,000; AsDuration saturates.
	if !d.IsValid() {
		v.add(field, "a duration whose seconds and nanoseconds are in range and have one sign")
		return 0
	}
	return d.AsDuration()
}

// fromSeconds reads a span in seconds, to the nanosecond.
func fromSeconds(v *violations, field string, seconds float64) time.Duration {
	ns := math.Round(seconds * 1e9)
	if !(ns >= math.MinInt64 && ns < math.MaxInt64) { // NaN as well
		v.add(field, "a number of seconds below 292 years")
		return 0
	}
	return time.Duration(ns)
}

// toInt32 writes a count; one beyond the wire's range is written as the largest.
func toInt32(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }
