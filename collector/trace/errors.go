package trace

import (
	"errors"
	"fmt"

	"github.com/runcast/runcast/predictor"
)

// A RowError is a row, or the header of a CSV, that is not what the format asks
// for. It is returned by Open for a header and yielded by Reader.Records for a row.
type RowError struct {
	File     string
	Line     int    // from 1; the first line of a row that spans several
	Column   string // name of the column or SWF field; empty if the row as a whole is wrong
	Expected string
	Got      string // what stood there instead, if anything
}

func (e *RowError) Error() string {
	s := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Column != "" {
		s += e.Column + ": "
	}
	s += "expected " + e.Expected
	if e.Got != "" {
		s += fmt.Sprintf(", got %.64q", e.Got)
	}
	return s
}

// firstViolation returns the field and the expectation of the first thing that
// is wrong according to a Validate; err is not nil.
func firstViolation(err error) (field, expected string) {
	var v *predictor.ValidationError
	if errors.As(err, &v) && len(v.Violations) > 0 {
		return v.Violations[0].Field, v.Violations[0].Expected
	}
	return "", err.Error()
}
