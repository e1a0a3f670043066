package model

import (
	"math/bits"

	"github.com/runcast/runcast/predictor/features"
)

const (
	// kill is what it costs that an attempt is killed for memory, beside what it held: the
	// wait for the next one, and the trust of who has to wait. It is in units of what the
	// job takes, for as long as it takes. No more is counted of what a job wastes: one that
	// takes next to nothing does not decide.
	kill = 20
	// mostKills bounds how often a job is killed.
	mostKills = 5
	// Of a group the latest 50 jobs count, of all groups of an age the latest 1,000, and as
	// much as priorJobs of the group's own.
	fadingGroup, fadingAll, priorJobs = 0.98, 0.999, 20
	// ages is the number of classes of a group by its runs: 0, 1, 2 and 3, 4 to 7, …
	ages = 8
)

// A choice is which way to size a job has been the cheapest of late, for jobs of its own
// group and for those of all groups that had about as many runs (follow the leader: Kalai
// and Vempala, 2005). A rule that knows little but the group's own peaks is the best there
// is for some groups, and then it is what they get.
type choice struct {
	ages   [ages]costs
	groups map[features.Key]*costs
}

// costs are what each way to size jobs would have cost: a fading sum, and over how many jobs.
type costs struct {
	jobs float64
	sum  [numSizings]float64
}

// age returns the class of a group with so many runs.
func age(runs int) int { return min(bits.Len(uint(runs)), ages-1) }

// of returns the way for a job whose group has so many runs, and for which the ways make
// these requests. One that asks for less than the cautious one has to be cheaper by a kill:
// what is rare has not been seen often.
func (c *choice) of(group features.Key, runs int, requests *requests) sizing {
	all, own := &c.ages[age(runs)], c.groups[group]
	best, least := cautious, 0.0
	for s := range numSizings {
		cost := 0.0
		if all.jobs > 0 {
			cost = priorJobs * all.sum[s] / all.jobs
		}
		if own != nil {
			cost += own.sum[s]
		}
		if requests[s] < requests[cautious] {
			cost += kill
		}
		if s == cautious || cost < least {
			best, least = s, cost
		}
	}
	return best
}

// learn adds a job that took so much, when the most that its group's runs had taken was
// largest.
func (c *choice) learn(group features.Key, runs int, requests *requests, took, largest float64) {
	own := c.groups[group]
	if own == nil {
		own = &costs{}
		c.groups[group] = own
	}
	var each [numSizings]float64
	for s, request := range requests {
		each[s] = costOf(request, took, largest)
	}
	own.add(&each, fadingGroup)
	c.ages[age(runs)].add(&each, fadingAll)
}

func (c *costs) add(each *[numSizings]float64, fading float64) {
	c.jobs = fading*c.jobs + 1
	for s, cost := range each {
		c.sum[s] = fading*c.sum[s] + cost
	}
}

// costOf returns what it costs to run a job with a request, and again with more each time
// it is killed, in units of what it takes.
func costOf(request, takes, largest float64) float64 {
	cost := 0.0
	for range mostKills {
		if request >= takes {
			break
		}
		cost += kill + request/takes
		request = max(2*request, afterKill*largest)
	}
	return cost + min(max(request/takes-1, 0), kill)
}
