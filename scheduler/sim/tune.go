package sim

import (
	"time"

	"github.com/runcast/runcast/scheduler"
)

// Grid returns the policies among which a history may choose its own, scheduler.DefaultPolicy
// first: every size exponent with every ageing time, and the default without its search for
// other orders.
func Grid() []scheduler.Policy {
	first := scheduler.DefaultPolicy()
	grid := []scheduler.Policy{first}
	for _, exponent := range []float64{0, 0.25, 0.5, 1} {
		for _, ageing := range []time.Duration{8 * time.Hour, 24 * time.Hour, 72 * time.Hour} {
			p := first
			p.SizeExponent, p.AgeingTime = exponent, ageing
			if p != first {
				grid = append(grid, p)
			}
		}
	}
	first.Search = 0
	return append(grid, first)
}

// Choose returns which of several rules, of which all have been measured on the same
// samples, has the least mean flow time: the first unless another's is less by more than
// chance explains. It has to be so at 95 % for the best of all that are compared, which
// is more than for one of them (Bonferroni).
func Choose(rules [][]Measures) int {
	best := 0
	var least float64
	for i, samples := range rules[1:] {
		more := against(samples, rules[0], 1-0.05/float64(len(rules)-1))
		if more.High < 0 && more.Mean < least {
			best, least = i+1, more.Mean
		}
	}
	return best
}
