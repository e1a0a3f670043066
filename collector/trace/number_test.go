package trace

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestParseSeconds compares with arithmetic on rationals.
func TestParseSeconds(t *testing.T) {
	for _, s := range []string{"", "-", ".", "x", "1x", "1.x", "--1", "1.2.3", "1e99", "0x10", "1_0", " 1", "Inf", "NaN", "100000000001", "99999999999999999999"} {
		if sec, nsec, ok := parseSeconds(s); ok {
			t.Errorf("parseSeconds(%q) = %d, %d; expected a refusal", s, sec, nsec)
		}
	}
	const digits = "0123456789"
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		var s strings.Builder
		if rng.IntN(2) == 0 {
			s.WriteByte('-')
		}
		for range rng.IntN(11) {
			s.WriteByte(digits[rng.IntN(10)])
		}
		if fraction := rng.IntN(10); fraction > 0 || s.Len() < 2 {
			s.WriteByte('.')
			for range max(fraction, 1) {
				s.WriteByte(digits[rng.IntN(10)])
			}
		}
		sec, nsec, ok := parseSeconds(s.String())
		if !ok || nsec < 0 || nsec >= 1e9 {
			t.Fatalf("parseSeconds(%q) = %d, %d, %t", s.String(), sec, nsec, ok)
		}
		want, _ := new(big.Rat).SetString(s.String())
		got := new(big.Rat).Add(big.NewRat(sec, 1), big.NewRat(nsec, 1e9))
		if want.Cmp(got) != 0 {
			t.Fatalf("parseSeconds(%q) = %v, want %v", s.String(), got, want)
		}
		text := formatSeconds(sec, nsec)
		if back, _ := new(big.Rat).SetString(text); back.Cmp(want) != 0 || strings.Contains(text, ".") && strings.HasSuffix(text, "0") {
			t.Fatalf("formatSeconds(%d, %d) = %q, want the shortest form of %v", sec, nsec, text, want)
		}
	}
	if at, ok := parseTime("1.5e9"); !ok || !at.Equal(time.Unix(1.5e9, 0)) {
		t.Error(at, ok)
	}
	if at, ok := parseTime("-25e-1"); !ok || !at.Equal(time.Unix(-3, 5e8)) {
		t.Error(at, ok)
	}
}

func TestFormatFloat(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 1e6: "1000000", 0.1: "0.1", 1e21: "1e+21", 1e-7: "1e-07", 1.0 / 3: "0.3333333333333333"} {
		if got := formatFloat(x); got != want {
			t.Errorf("formatFloat(%g) = %q, want %q", x, got, want)
		}
	}
}
