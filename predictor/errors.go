package predictor

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Sentinels of the ports; test with errors.Is.
var (
	// ErrNoModel is returned by an Estimator until its first model has been
	// loaded, and by Models.Champion while none is published.
	ErrNoModel = errors.New("no model")
	// ErrNotFound is returned by Models and Queue for a version or a job they do not know.
	ErrNotFound = errors.New("not found")
	// ErrDamaged is returned when a stored or received artifact or file fails its
	// checksum or does not decode.
	ErrDamaged = errors.New("damaged")
	// ErrNewerSchema is returned for a file or an artifact written by a newer Runcast.
	ErrNewerSchema = errors.New("written by a newer version of runcast")
	// ErrOlderSchema is returned for an artifact of a Runcast that is too old: the next
	// training replaces it.
	ErrOlderSchema = errors.New("written by an older version of runcast, train again")
	// ErrNotBetter is returned by a training whose model lost against the champion.
	ErrNotBetter = errors.New("not better than the model in service")
)

// A Violation is one field that broke an invariant.
type Violation struct {
	Field    string // path in wire names: "requests.cpu_cores"
	Expected string // what would have been accepted
}

// A ValidationError lists everything wrong with one value.
type ValidationError struct{ Violations []Violation }

func (e *ValidationError) Error() string {
	var b strings.Builder
	for i, v := range e.Violations {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: expected %s", v.Field, v.Expected)
	}
	return b.String()
}

// violations collects what Validate finds.
type violations []Violation

func (v *violations) add(field, expected string) { *v = append(*v, Violation{field, expected}) }

func (v *violations) check(field string, ok bool, expected string) {
	if !ok {
		v.add(field, expected)
	}
}

const plausibleTextWords = "valid UTF-8 of at most 16 KiB"

func plausibleText(s string) bool { return len(s) <= MaxTextLength && utf8.ValidString(s) }

func (v *violations) text(field, s string) { v.check(field, plausibleText(s), plausibleTextWords) }

func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	return &ValidationError{v}
}
