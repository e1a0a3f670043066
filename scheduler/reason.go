package scheduler

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
)

// jobName is what reasons call a pending job: namespace/name, or else its ID.
func jobName(p *Pending) string {
	switch {
	case p.Name == "":
		return trimID(p.ID)
	case p.Namespace == "":
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// trimID drops the time of creation from an ID "namespace/name@created".
func trimID(id string) string {
	name, _, _ := strings.Cut(id, "@")
	return name
}

// clock writes a time as seen from now: with seconds if it is near, with the date
// if it is on another day.
func (pl *planner) clock(d time.Duration) string {
	t := pl.Now.Add(d)
	layout := "15:04"
	if d < 10*time.Minute {
		layout = "15:04:05"
	}
	if t.YearDay() != pl.Now.YearDay() || t.Year() != pl.Now.Year() {
		layout = "2 Jan " + layout
	}
	return t.Format(layout)
}

// at writes when a reservation starts: " at 15:00".
func (pl *planner) at(r *reservation) string {
	if r.start == eventually {
		return ", whose start nobody can foresee"
	}
	return " at " + pl.clock(r.start)
}

// quantity writes an amount of a resource with its name: "1.5 cpu", "16GiB memory",
// "8 nvidia.com/gpu".
func quantity(resource string, v int64) string {
	switch {
	case resource == "cpu":
		return strconv.FormatFloat(float64(v)/1000, 'f', -1, 64) + " cpu"
	case resource == "memory", resource == "ephemeral-storage", strings.HasPrefix(resource, "hugepages-"):
		return predictor.Bytes(v).String() + " " + resource
	}
	return strconv.FormatInt(v, 10) + " " + resource
}

// demand says what j waits for, by the resource it lacks; -1 for none in particular.
func (pl *planner) demand(j *job, resource int) string {
	what := "room"
	if resource >= 0 {
		what = quantity(pl.Resources[resource], j.request[resource])
	}
	if j.pods == 1 {
		return what + " on one node"
	}
	fits, rough := 0, pl.board.coarse(j.request)
	for _, n := range pl.board.class(j.Class) {
		if covers(pl.board.rough[n], rough) {
			fits += fit(pl.board.of(pl.board.free, n), j.request, j.pods)
		}
	}
	return fmt.Sprintf("%d pods of %s (%d fit now)", j.pods, what, fits)
}

// startReason says why j starts now. own is the reservation it had.
func (pl *planner) startReason(j *job, nodes []int, v Verdict, own *reservation) string {
	if pl.trial {
		return ""
	}
	switch {
	case v == Released:
		return "starts in its turn"
	case own != nil && pl.meets(own):
		return "starts ahead of its turn, to end by its deadline at " + pl.clock(j.Deadline.Sub(pl.Now))
	case own != nil:
		return "starts ahead of its turn: it has had the reservation longer"
	}
	// Name the reservation it comes nearest to: the first one it ends before, or
	// else one that it leaves enough room.
	var before, beside *reservation
	for _, n := range nodes {
		for _, p := range pl.board.promises[n] {
			if outlasts(j.p90, p.at) {
				beside = p.owner
			} else if before == nil || p.at < before.start {
				before = p.owner
			}
		}
	}
	switch {
	case before != nil:
		return fmt.Sprintf("starts ahead of its turn: ends by %s at the latest (p90), before %s's reservation%s",
			pl.clock(j.p90), before.name, pl.at(before))
	case beside != nil:
		return fmt.Sprintf("starts ahead of its turn: leaves the room reserved for %s%s", beside.name, pl.at(beside))
	}
	return "starts ahead of its turn: uses no reserved node"
}

func (pl *planner) reservedReason(j *job, r *reservation) string {
	if pl.trial {
		return ""
	}
	text := "waits for " + pl.demand(j, pl.board.scarcest(j))
	switch {
	case r.fixed && pl.meets(r):
		return fmt.Sprintf("%s; starts at %s at the latest, to end by its deadline at %s",
			text, pl.clock(r.start), pl.clock(j.Deadline.Sub(pl.Now)))
	case r.fixed && r.start == 0:
		text += ", overdue since its reservation at " + pl.clock(j.ReservedStart.Sub(pl.Now))
	case r.fixed && r.cause == nil:
		text += "; starts at " + pl.clock(r.start) + " at the latest (p90), as reserved before"
	case r.start == eventually && r.cause != nil:
		text += ", free when " + trimID(*r.cause) + " ends, whose remaining time is unknown"
	case r.cause != nil:
		text += ", expected at " + pl.clock(r.start) + " (p90) when " + trimID(*r.cause) + " ends"
	default:
		text += ", expected at " + pl.clock(r.start) + " (p90)"
	}
	if !pl.meets(r) {
		text += pl.unsure(j)
	}
	return text
}

// meets reports whether the job of a reservation has a deadline and is sure to meet it.
func (pl *planner) meets(r *reservation) bool {
	return !r.Deadline.Before(pl.Now.Add(r.end))
}

// unsure says of a job with a deadline that it may miss it; nothing of others.
func (pl *planner) unsure(j *job) string {
	if j.Deadline.IsZero() {
		return ""
	}
	return "; cannot be sure to meet its deadline at " + pl.clock(j.Deadline.Sub(pl.Now))
}

func (pl *planner) heldReason(j *job, refused refusal) string {
	if pl.trial {
		return ""
	}
	var text string
	if r := refused.promised; r != nil {
		end := "has no known end"
		if j.known() {
			end = "ends by " + pl.clock(j.p90) + " (p90)"
		}
		text = "would delay the reservation of " + r.name + pl.at(r) + ": " + end
	} else {
		text = "waits for " + pl.demand(j, refused.resource)
	}
	text += pl.unsure(j)
	switch n := len(pl.blocked); n {
	case 0:
		return text
	case 1:
		return text + "; behind " + pl.blocked[0].name
	default:
		return text + "; behind " + pl.blocked[0].name + " and " + strconv.Itoa(n-1) + " more"
	}
}

// hopeless says why no end of a job of ours can ever make room for j; empty if one can.
func (pl *planner) hopeless(j *job) string {
	b := pl.board
	class := b.class(j.Class)
	switch {
	case b.fitAll(pl.lasting, class, j.request, j.pods):
		return ""
	case len(class) == 0:
		return "no node may run it: none is ready and matches its node selector, affinity and tolerations"
	case b.fitAll(b.capacity, class, j.request, j.pods):
		return "waits for room held by pods outside the queue, whose end is unknown: " + pl.tooSmall(j, pl.lasting)
	}
	return "cannot run here: " + pl.tooSmall(j, b.capacity)
}

// tooSmall says which resource of room, which is all nodes', is too small for j.
func (pl *planner) tooSmall(j *job, room []int64) string {
	b := pl.board
	most, on := make([]int64, b.dims), make([]int32, b.dims)
	pods := 0
	for i, n := range b.class(j.Class) {
		pods += fit(b.of(room, n), j.request, j.pods)
		for r, v := range b.of(room, n) {
			if i == 0 || v > most[r] {
				most[r], on[r] = v, n
			}
		}
	}
	for r, q := range j.request {
		if q > 0 && q > most[r] {
			return fmt.Sprintf("a pod asks for %s and the largest node it may use, %s, has %s",
				quantity(pl.Resources[r], q), pl.Nodes[on[r]].Name, quantity(pl.Resources[r], max(most[r], 0)))
		}
	}
	if pods > 0 {
		return fmt.Sprintf("it asks for %d pods and the nodes it may use hold %d of them", j.pods, pods)
	}
	var parts []string
	for r, q := range j.request {
		if q > 0 && pl.Resources[r] != "pods" {
			parts = append(parts, quantity(pl.Resources[r], q))
		}
	}
	return "no single node it may use has " + strings.Join(parts, " and ")
}
