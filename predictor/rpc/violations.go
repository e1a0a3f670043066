package rpc

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/runcast/runcast/predictor"
)

// violations collects what is wrong with a message, by field.
type violations []predictor.Violation

func (v *violations) add(field, expected string) {
	*v = append(*v, predictor.Violation{Field: field, Expected: expected})
}

// validate adds what the vocabulary's Validate found.
func (v *violations) validate(err error) {
	if err == nil {
		return
	}
	var invalid *predictor.ValidationError
	if errors.As(err, &invalid) {
		*v = append(*v, invalid.Violations...)
	}
}

// maxNameLength bounds what names a version or a job; Kubernetes' own are shorter.
const maxNameLength = 256

// name checks a name that selects something.
func (v *violations) name(field, name string) {
	if name == "" || len(name) > maxNameLength || !utf8.ValidString(name) {
		v.add(field, "a name of 1 to 256 bytes")
	}
}

// within returns v as seen from outside of path.
func (v violations) within(path string) violations {
	var outer violations
	for _, inner := range v {
		outer.add(path+"."+inner.Field, inner.Expected)
	}
	return outer
}

// element adds what is wrong with element i of the list field.
func (v *violations) element(field string, i int, found violations) {
	if len(found) > 0 {
		*v = append(*v, found.within(fmt.Sprintf("%s[%d]", field, i))...)
	}
}

// err is a ValidationError, nil if nothing is wrong.
func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	return &predictor.ValidationError{Violations: v}
}

// malformed is the client's error for a response that is no value of the vocabulary.
func (v violations) malformed() error {
	if len(v) == 0 {
		return nil
	}
	return fmt.Errorf("%w: response: %w", predictor.ErrDamaged, errors.New(v.err().Error()))
}
