package collector

import (
	"fmt"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ended(id string, at time.Duration) Finished {
	return Finished{Record: predictor.JobRecord{JobSpec: predictor.JobSpec{ID: id}, Finished: noon.Add(at)}}
}

func ids(jobs []Finished) string {
	s := ""
	for _, f := range jobs {
		s += f.Record.ID
	}
	return s
}

// TestWaiting plays an outage: what was tried makes room for what was not, waits
// longer each time, and is given up after a day.
func TestWaiting(t *testing.T) {
	w := newWaiting()
	for i, id := range []string{"a", "b", "c", "d"} {
		w.add(ended(id, time.Duration(i)*time.Second), noon.Add(time.Duration(i)*time.Second), noon)
	}
	now := noon.Add(2 * time.Second)
	due := w.due(now, 2)
	if got := ids(due); got != "ab" {
		t.Fatalf("due %q, want the two that have waited longest", got)
	}
	w.postpone(due, now)
	if got := ids(w.due(now, 2)); got != "c" {
		t.Errorf("due %q while a and b are postponed and d is early", got)
	}
	w.remove(w.due(now, 2))
	if got := ids(w.due(now.Add(firstRetry), 9)); got != "dab" {
		t.Errorf("due %q after the first retry", got)
	}
	tries, last := 0, now
	for end := now.Add(maxWait + time.Hour); now.Before(end); now = now.Add(time.Second) {
		if due := w.due(now, 9); len(due) > 0 {
			if now.Sub(last) > lastRetry+time.Second {
				t.Fatalf("no try for %v", now.Sub(last))
			}
			tries, last = tries+1, now
			w.postpone(due, now)
		}
	}
	if w.len() != 0 {
		t.Errorf("%d still wait after a day", w.len())
	}
	if most := 2*int(maxWait/lastRetry) + 20; tries > most {
		t.Errorf("tried %d times in a day, want at most %d", tries, most)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	w := newWaiting()
	dropped := 0
	for i := range maxWaiting + 3 {
		// The last three ended before all others but the first two.
		at := time.Duration(i) * time.Second
		if i >= maxWaiting {
			at = 1500 * time.Millisecond
		}
		if w.add(ended(fmt.Sprint(i), at), noon, noon) {
			dropped++
		}
	}
	if w.len() != maxWaiting || dropped != 3 {
		t.Errorf("%d wait and %d were dropped, want %d and 3", w.len(), dropped, maxWaiting)
	}
	for _, id := range []string{"0", "1"} {
		if w.jobs[id] != nil {
			t.Errorf("%s still waits, though it ended first", id)
		}
	}
}
