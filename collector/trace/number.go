package trace

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
)

// maxSeconds bounds what parseSeconds reads, so that nothing overflows; it is
// the year 5138, far beyond what validates.
const maxSeconds = 1e11

// parseSeconds reads a number of seconds exactly, down to the nanosecond; what is
// finer is cut off. The seconds are rounded down: -0.5 is (-1, 5e8).
func parseSeconds(s string) (sec, nsec int64, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole == "" && fraction == "" {
		return 0, 0, false
	}
	for _, c := range []byte(whole) {
		if c < '0' || c > '9' {
			return parseFloatSeconds(s)
		}
		if sec = sec*10 + int64(c-'0'); sec > maxSeconds {
			return 0, 0, false
		}
	}
	unit := int64(time.Second)
	for _, c := range []byte(fraction) {
		if c < '0' || c > '9' {
			return parseFloatSeconds(s)
		}
		unit /= 10
		nsec += int64(c-'0') * unit
	}
	if negative {
		sec, nsec = -sec, -nsec
		if nsec < 0 {
			sec, nsec = sec-1, nsec+1e9
		}
	}
	return sec, nsec, true
}

// parseFloatSeconds is parseSeconds for numbers with an exponent.
func parseFloatSeconds(s string) (sec, nsec int64, ok bool) {
	x, ok := parseFloat(s)
	if !ok || math.Abs(x) > maxSeconds {
		return 0, 0, false
	}
	floor := math.Floor(x)
	t := time.Unix(int64(floor), int64((x-floor)*1e9)) // carries a fraction that rounds up to 1
	return t.Unix(), int64(t.Nanosecond()), true
}

// formatSeconds is the inverse of parseSeconds, without trailing zeros.
func formatSeconds(sec, nsec int64) string {
	sign := ""
	if sec < 0 {
		sign, sec = "-", -sec
		if nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
	}
	s := sign + strconv.FormatInt(sec, 10)
	if nsec == 0 {
		return s
	}
	fraction := strconv.FormatInt(1e9+nsec, 10)[1:]
	return s + "." + strings.TrimRight(fraction, "0")
}

func parseTime(s string) (time.Time, bool) {
	sec, nsec, ok := parseSeconds(s)
	return time.Unix(sec, nsec).UTC(), ok
}

func parseDuration(s string) (time.Duration, bool) {
	sec, nsec, ok := parseSeconds(s)
	if sec < 0 || sec > int64(predictor.MaxDuration/time.Second) {
		return 0, false
	}
	return time.Duration(sec)*time.Second + time.Duration(nsec), ok
}

// parseFloat reads a finite decimal number: no hexadecimal, no underscores.
func parseFloat(s string) (float64, bool) {
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// parseInt reads a whole number, also one that a spreadsheet wrote as "4.0" or "1e+06".
func parseInt(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	x, ok := parseFloat(s)
	return int64(x), ok && x == math.Trunc(x) && math.Abs(x) <= 1<<53
}

// formatFloat prints the shortest decimal that reads as x, without an exponent
// unless x is very large or very small, as JSON does.
func formatFloat(x float64) string {
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}
