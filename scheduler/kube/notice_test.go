package kube

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"github.com/runcast/runcast/predictor/jobspec"
	"github.com/runcast/runcast/scheduler"
)

func TestNoticeRoundTrip(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, n := range []notice{
		{},
		{verdict: scheduler.Held, reason: "waits: for room"},
		{verdict: scheduler.Reserved, reason: "x", start: now, end: now.Add(time.Hour), reserved: now.Add(time.Minute)},
	} {
		j := &batchv1.Job{}
		j.Annotations = n.annotations()
		if got := told(j); got != n {
			t.Errorf("told %+v, want %+v", got, n)
		}
	}
	j := &batchv1.Job{}
	annotated(j, "runcast.dev/decision", "nonsense", "runcast.dev/estimated-start-time", "soon")
	if got := told(j); got != (notice{}) {
		t.Errorf("told %+v by nonsense", got)
	}
}

func TestNoticeDiffers(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	none := time.Time{}
	base := notice{verdict: scheduler.Held, reason: "r", start: in(time.Hour), end: in(2 * time.Hour)}
	for _, c := range []struct {
		name string
		n    notice
		want bool
	}{
		{"the same", base, false},
		{"another verdict", notice{scheduler.Reserved, "r", base.start, base.end, none}, true},
		{"another reason, the same times", notice{scheduler.Held, "s", base.start, base.end, none}, false},
		{"5 of 65 minutes later", notice{scheduler.Held, "s", in(65 * time.Minute), base.end, none}, false},
		{"10 of 70 minutes later", notice{scheduler.Held, "s", in(70 * time.Minute), base.end, none}, true},
		{"earlier by far", notice{scheduler.Held, "s", in(time.Minute), base.end, none}, true},
		{"the end moved", notice{scheduler.Held, "s", base.start, in(3 * time.Hour), none}, true},
		{"a reservation", notice{scheduler.Held, "r", base.start, base.end, in(time.Hour)}, true},
		{"no more to be foreseen", notice{scheduler.Held, "s", time.Time{}, time.Time{}, none}, true},
	} {
		if got := c.n.differs(base, now); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	near := notice{scheduler.Held, "r", in(10 * time.Second), time.Time{}, none}
	if (notice{scheduler.Held, "r", in(35 * time.Second), time.Time{}, none}).differs(near, now) {
		t.Error("25 seconds are news")
	}
	promised := notice{scheduler.Reserved, "r", in(time.Minute), in(time.Hour), in(time.Minute)}
	for slip, want := range map[time.Duration]bool{-10 * time.Second: false, 500 * time.Millisecond: false, time.Second: true} {
		n := promised
		n.reserved = n.reserved.Add(slip)
		if got := n.differs(promised, now); got != want {
			t.Errorf("a reservation that moves by %v: %t", slip, got)
		}
	}
	unknown := notice{verdict: scheduler.Held, reason: "fits nowhere"}
	if !(notice{verdict: scheduler.Held, reason: "waits for n1"}).differs(unknown, now) {
		t.Error("another reason without a forecast is no news")
	}
}

// Notices are written at the rate allowed, in the plan's order, and releases do not
// wait for them; once all is told there are no more writes.
func TestNoticesAreRationed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=1"))
		for i := range 60 {
			j := testJob(t, "j"+string(rune('A'+i)), "cpu=1")
			s.create(t, j)
		}
		_, stop := runLoop(t, s, nil, Config{NoticesPerSecond: 2})
		defer stop()
		time.Sleep(5 * time.Second)
		noticed := func() (n int) {
			for i := range 60 {
				if told(s.job(t, "j"+string(rune('A'+i)))).verdict != "" {
					n++
				}
			}
			return n
		}
		if n := noticed(); n < 10 || n > 14 { // one of them the release
			t.Errorf("%d jobs were told in 5 s", n)
		}
		if told(s.job(t, "jB")).verdict != scheduler.Reserved || told(s.job(t, "jz")).verdict != "" {
			t.Error("the head was not told first")
		}
		time.Sleep(30 * time.Second)
		if n := noticed(); n != 60 {
			t.Errorf("%d of 60 jobs were told", n)
		}
		version := s.job(t, "jB").ResourceVersion
		s.takeEvents()
		time.Sleep(10 * time.Minute)
		if s.job(t, "jB").ResourceVersion != version || len(s.takeEvents()) > 0 {
			t.Error("told again what was told")
		}
	})
}

// While there is more to be told than may be written, a Job is released, and suspended
// again by hand: it is told what it waits for, as if it had never been told.
func TestSuspendedAgainIsToldAgain(t *testing.T) {
	n := newNotices(nil, nil, nil, quiet(), 1)
	waits := func(names ...string) (all []outcome) {
		for _, name := range names {
			j := testJob(t, name, "cpu=1")
			j.UID = types.UID(name)
			all = append(all, outcome{pending: &pending{job: j, facts: &jobFacts{}}, notice: notice{verdict: scheduler.Held, reason: "waits its turn"}})
		}
		return all
	}
	n.last["a"] = written{notice: waits("a")[0].notice}
	next := func(names ...string) string {
		n.post(waits(names...))
		o, ok := n.next()
		if !ok {
			t.Fatal("nothing is to be told")
		}
		return o.job.Name
	}
	for _, plan := range [][]string{{"b", "a", "b", "c"}, {"b", "b", "c"}, {"a", "a", "b", "c"}} { // in the second a is released
		if got := next(plan[1:]...); got != plan[0] {
			t.Errorf("of %v, %s is to be told first, expected %s", plan[1:], got, plan[0])
		}
	}
}

// An Event is cut between characters: a half one would become three bytes, and the
// Event too long for the API server.
func TestComplaintIsCutBetweenRunes(t *testing.T) {
	for pad := range 4 {
		recorder := events.NewFakeRecorder(1)
		h := &herald{recorder: recorder, complaints: map[types.UID]string{}}
		var problems []jobspec.Problem
		for range 20 {
			problems = append(problems, jobspec.Problem{Field: strings.Repeat("x", pad), Value: strings.Repeat("界", 80), Expected: "a number"})
		}
		h.complain(testJob(t, "a", "cpu=1"), problems)
		if note := <-recorder.Events; !utf8.ValidString(note) || len(note) < maxNote-2 {
			t.Errorf("note of %d bytes, ends in %q", len(note), note[len(note)-8:])
		}
	}
}
