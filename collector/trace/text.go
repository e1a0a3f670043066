package trace

import (
	"encoding/json"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// A cell of text stands for itself, with one exception: a text that would not
// come back as it was is written as a JSON string. That is one with a carriage
// return (CSV readers drop it before a line feed), in a feature one that reads as
// a number, and one that already looks like such a JSON string.

func parseText(cell string) string      { return unquote(cell, hasReturn) }
func formatText(text string) string     { return quote(text, hasReturn) }
func hasReturn(text string) bool        { return strings.ContainsRune(text, '\r') }
func ambiguousFeature(text string) bool { return hasReturn(text) || isNumber(text) }
func isNumber(text string) bool         { return text != "" && predictor.ParseFeature(text).Text == "" }

func jsonString(cell string) (string, bool) {
	if len(cell) < 2 || cell[0] != '"' {
		return "", false
	}
	var text string
	err := json.Unmarshal([]byte(cell), &text)
	return text, err == nil
}

// parseFeature reads a feature's cell, which is not empty.
func parseFeature(cell string) predictor.Feature {
	f := predictor.ParseFeature(cell)
	f.Text = unquote(f.Text, ambiguousFeature)
	return f
}

func formatFeature(f predictor.Feature) string {
	if f.Text == "" {
		return formatFloat(f.Number)
	}
	return quote(f.Text, ambiguousFeature)
}

// quote and unquote are inverse for any text.
func quote(text string, ambiguous func(string) bool) string {
	if !needsQuotes(text, ambiguous) {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func unquote(cell string, ambiguous func(string) bool) string {
	if text, ok := jsonString(cell); ok && needsQuotes(text, ambiguous) {
		return text
	}
	return cell
}

func needsQuotes(text string, ambiguous func(string) bool) bool {
	for {
		if ambiguous(text) {
			return true
		}
		inner, ok := jsonString(text)
		if !ok {
			return false
		}
		text = inner
	}
}

// texts shares equal texts between records, and frees the row a text was cut from.
type texts map[string]string

// maxTexts bounds what is kept to share; logs have far fewer users, names and images.
const maxTexts = 1 << 16

func (t texts) intern(s string) string {
	if shared, ok := t[s]; ok {
		return shared
	}
	s = strings.Clone(s)
	if len(t) < maxTexts {
		t[s] = s
	}
	return s
}
