package page

import (
	"fmt"
	"math"
	"time"
)

// Percent writes a share so that small ones and those close to all remain apart, from
// a hundredth of a percent on.
func Percent(share float64) string {
	switch p := 100 * share; {
	case math.Abs(p) < 0.005 || math.Abs(p-100) < 0.005:
		return fmt.Sprintf("%.0f %%", math.Abs(p)) // no -0
	case p < 1 || p > 99:
		return fmt.Sprintf("%.2f %%", p)
	case p < 10:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// Seconds writes a duration in its own unit.
func Seconds(s float64) string {
	switch d := time.Duration(s * float64(time.Second)); {
	case d < time.Minute:
		return fmt.Sprintf("%.2g s", s)
	case d < time.Hour:
		return fmt.Sprintf("%.1f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	default:
		return fmt.Sprintf("%.1f d", d.Hours()/24)
	}
}

// Number writes an amount with about three digits.
func Number(x float64) string {
	switch {
	case x >= 100:
		return Count(int(x + 0.5))
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.3g", x)
	}
}

// Plain writes a value of an axis.
func Plain(x float64) string {
	if x >= 1000 {
		return Number(x)
	}
	return fmt.Sprintf("%.4g", x)
}

// Count writes a whole number in groups of three digits.
func Count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Count(n/1000), n%1000)
}
