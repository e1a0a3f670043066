package main

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// decodeStrict decodes YAML over what into holds already. The error names every
// field that is unknown or whose value does not fit, and what was expected.
func decodeStrict[T any](text []byte, into *T) error {
	doc, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	var raw any
	if err := json.Unmarshal(doc, &raw); err != nil {
		return err
	}
	if errs := misfits(raw, reflect.TypeFor[T](), ""); len(errs) > 0 {
		return errors.Join(errs...)
	}
	unknown, err := strictjson.UnmarshalStrict(doc, into)
	return errors.Join(append(unknown, err)...)
}

// misfits returns an error for each part of a decoded document that a Go type has
// no place for. What is empty fits everywhere.
func misfits(v any, t reflect.Type, path string) (errs []error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	m, isMap := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case v == nil:
	case decodesItself(t) || !composite(t):
		doc, err := json.Marshal(v)
		if err == nil {
			_, err = strictjson.UnmarshalStrict(doc, reflect.New(t).Interface())
		}
		if err != nil && inWords(t) != "" {
			err = fmt.Errorf("expected %s, got %.100s", inWords(t), doc)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	case t.Kind() == reflect.Slice && isList:
		for i := range list {
			errs = append(errs, misfits(list[i], t.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case t.Kind() != reflect.Slice && isMap:
		for _, key := range slices.Sorted(maps.Keys(m)) {
			inner := strings.TrimPrefix(path+"."+key, ".")
			if t.Kind() == reflect.Map {
				errs = append(errs, misfits(m[key], t.Elem(), inner)...)
			} else if known := fields(t); known[key] != nil {
				errs = append(errs, misfits(m[key], known[key], inner)...)
			} else {
				errs = append(errs, fmt.Errorf("%s: unknown field, expected one of %s", inner, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			}
		}
	default:
		errs = append(errs, fmt.Errorf("%s: expected %s", cmp.Or(path, "document"), inWords(t)))
	}
	return errs
}

// fields are the types of a struct's fields by their names in YAML.
func fields(t reflect.Type) map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		m[name] = f.Type
	}
	return m
}

func composite(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Map || t.Kind() == reflect.Slice
}

func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// inWords says what a value of a type looks like; nothing of a type whose own
// errors say it.
func inWords(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[model.Duration]():
		return "a duration with its unit, such as 90s, 30m, 12h or 7d"
	case decodesItself(t):
		return ""
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map:
		return "fields"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
