package predictor_test

import (
	"strings"
	"testing"

	. "github.com/runcast/runcast/predictor"
)

func TestParseOutcome(t *testing.T) {
	for _, o := range append([]Outcome{""}, Outcomes...) {
		if got, err := ParseOutcome(string(o)); err != nil || got != o {
			t.Errorf("ParseOutcome(%q) = %q, %v", o, got, err)
		}
	}
	for _, s := range []string{"Succeeded", " failed", "succeeded ", "unknown", "oom"} {
		got, err := ParseOutcome(s)
		if err == nil || got != "" {
			t.Errorf("ParseOutcome(%q) = %q, %v, want an error", s, got, err)
			continue
		}
		for _, o := range Outcomes {
			if !strings.Contains(err.Error(), string(o)) {
				t.Errorf("ParseOutcome(%q): error %q does not offer %q", s, err, o)
			}
		}
	}
}
