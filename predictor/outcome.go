package predictor

import (
	"fmt"
	"slices"
)

// An Outcome says how a job ended. Its text is the one of the job-history CSV.
// The empty Outcome means unknown.
type Outcome string

// The outcomes. Only Succeeded makes the runtime an exact observation; every
// other one is a lower bound on what a successful run would have taken.
const (
	Succeeded        Outcome = "succeeded"
	Failed           Outcome = "failed"
	OOMKilled        Outcome = "oom_killed"
	DeadlineExceeded Outcome = "deadline_exceeded"
	Evicted          Outcome = "evicted"
	Cancelled        Outcome = "cancelled"
)

// Outcomes lists every known outcome, in the order of their wire numbers.
var Outcomes = []Outcome{Succeeded, Failed, OOMKilled, DeadlineExceeded, Evicted, Cancelled}

// ParseOutcome reads the text of an outcome; the empty text is the unknown one.
// Any other text is an error that lists what was expected.
func ParseOutcome(s string) (Outcome, error) {
	if o := Outcome(s); s == "" || slices.Contains(Outcomes, o) {
		return o, nil
	}
	return "", fmt.Errorf("unknown outcome %q, expected one of %v or nothing", s, Outcomes)
}
