package sim

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/runcast/runcast/scheduler"
)

func TestGrid(t *testing.T) {
	grid := Grid()
	if grid[0] != scheduler.DefaultPolicy() {
		t.Errorf("the first is %+v, not the default", grid[0])
	}
	for i, p := range grid {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
		if slices.Contains(grid[:i], p) {
			t.Errorf("%+v stands twice", p)
		}
	}
}

// TestChoose: of rules that are equally good another than the first is rarely chosen,
// however many there are, and one that is better is found, however much the windows differ.
func TestChoose(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 17))
	wrong, found, logs := 0, 0, 300
	for range logs {
		rules := make([][]Measures, 13)
		for range 10 {
			hard := 100 * (1 + rng.ExpFloat64())
			for i := range rules {
				rules[i] = append(rules[i], Measures{MeanFlow: hard + 5*rng.NormFloat64()})
			}
		}
		if Choose(rules) != 0 {
			wrong++
		}
		for k := range rules[7] {
			rules[7][k].MeanFlow *= 0.9
		}
		if Choose(rules) == 7 {
			found++
		}
	}
	t.Logf("%d of %d choices among equals are wrong; one that takes 10 %% less is found %d times", wrong, logs, found)
	if wrong > logs/20 || found < logs*9/10 {
		t.Error("expected at most 5 % wrong and at least 90 % found")
	}
	if Choose([][]Measures{{{MeanFlow: 1}, {MeanFlow: 2}}}) != 0 {
		t.Error("a single rule is not chosen")
	}
}
