package model

import (
	"math"
	"testing"

	"github.com/runcast/runcast/predictor/features"
)

func TestCostOf(t *testing.T) {
	for _, test := range []struct {
		name                          string
		request, takes, largest, want float64
	}{
		{"as much as it takes", 10, 10, 0, 0},
		{"twice as much", 20, 10, 0, 1},
		{"far too much", 1e6, 1, 0, kill},
		{"killed, then twice as much", 8, 10, 0, kill + 0.8 + 0.6},
		{"killed, then what the largest took and a little more", 8, 10, 40, kill + 0.8 + 3.2},
		{"killed twice", 4, 10, 0, 2*kill + 0.4 + 0.8 + 0.6},
		{"nothing", 0, 10, 0, mostKills * kill},
	} {
		if got := costOf(test.request, test.takes, test.largest); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %g, want %g", test.name, got, test.want)
		}
	}
}

// A request below the cautious one is made when it would have been cheaper by what a kill
// costs, first where it is, then for all groups with as many runs; and no longer when a job
// has been killed by it.
func TestChoice(t *testing.T) {
	const group, other = features.Key(1), features.Key(2)
	c := choice{groups: map[features.Key]*costs{}}
	by := requests{cautious: 50, byPool: 50, byLargest: 50, byHighest: 11}
	expect := func(when string, group features.Key, runs int, want sizing) {
		t.Helper()
		if got := c.of(group, runs, &by); got != want {
			t.Errorf("%s: way %d, want %d", when, got, want)
		}
	}
	expect("nothing is known", group, 40, cautious)
	for range 10 {
		c.learn(group, 40, &by, 10, 10)
	}
	expect("cheaper by ten times four", group, 40, byHighest)
	expect("in another group of that age", other, 40, byHighest)
	expect("in another group of another age", other, 1, cautious)
	for range 4 {
		c.learn(group, 40, &by, 45, 45)
	}
	expect("killed", group, 40, cautious)
}

// What is known of groups that the history does not know is dropped once there are more
// than it remembers.
func TestForget(t *testing.T) {
	groups := map[features.Key]bool{}
	for k := range features.Key(features.MaxGroups) {
		groups[k+1] = true
	}
	history := features.NewState()
	if forget(groups, history); len(groups) != features.MaxGroups {
		t.Errorf("%d groups are left of as many as the history remembers", len(groups))
	}
	groups[0] = true
	if forget(groups, history); len(groups) != 0 {
		t.Errorf("%d groups are left that the history does not know", len(groups))
	}
}
