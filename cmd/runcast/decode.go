package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// A Duration is a time.Duration written as in Go: 90s, 30m, 12h.
type Duration time.Duration

// UnmarshalJSON reads a text such as "90s". A bare number has no unit, and is an error.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("expected a duration with its unit such as 90s, 30m or 12h, got %s", b)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("expected a duration such as 90s, 30m or 12h, got %q", text)
	}
	*d = Duration(v)
	return nil
}

// decodeStrict decodes YAML into *T. Errors name the fields: unknown ones, ones
// given twice, and ones whose value does not fit.
func decodeStrict[T any](text []byte, into *T) error {
	doc, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	var raw any
	if err := json.Unmarshal(doc, &raw); err != nil {
		return err
	}
	if raw == nil {
		return nil // an empty file
	}
	unknown, err := strictjson.UnmarshalStrict(doc, into)
	if err != nil {
		return blame[T](raw, err)
	}
	return errors.Join(unknown...)
}

// blame finds which fields of a document cause an error that does not name them:
// it decodes each alone, as deep as that narrows it down.
func blame[T any](raw any, err error) error {
	var errs []error
	for path, alone := range isolated(raw) {
		doc, encodeErr := json.Marshal(alone)
		if encodeErr != nil {
			return encodeErr
		}
		if _, err := strictjson.UnmarshalStrict(doc, new(T)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	if len(errs) == 0 {
		return err
	}
	return errors.Join(errs...)
}

// isolated yields every leaf of a tree of maps by its path, in a tree of its own.
func isolated(v any) func(yield func(path string, alone any) bool) {
	return func(yield func(string, any) bool) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if inner, ok := m[key].(map[string]any); ok && len(inner) > 0 {
				for path, alone := range isolated(inner) {
					if !yield(key+"."+path, map[string]any{key: alone}) {
						return
					}
				}
			} else if !yield(key, map[string]any{key: m[key]}) {
				return
			}
		}
	}
}
