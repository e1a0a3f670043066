package porttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// History checks an implementation of predictor.History. open returns an empty
// one each time it is called.
func History(t *testing.T, open func(t *testing.T) predictor.History) {
	for _, c := range []struct {
		name string
		test func(*testing.T, predictor.History)
	}{
		{"empty", emptyHistory},
		{"keeps every field", keepsFields},
		{"order and bounds", orderAndBounds},
		{"put twice", putTwice},
		{"better replaces", betterReplaces},
		{"one call, one id", sameIDInOneCall},
		{"all or none", allOrNone},
		{"many", manyRecords},
		{"follow", follow},
		{"follow and many writers", followWriters},
		{"ended context", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// second is the n-th second of the tests' time.
func second(n int) time.Time { return time.Unix(1_700_000_000+int64(n), 0).UTC() }

// job is a short record that finished in second n.
func job(id string, n int) predictor.JobRecord {
	return predictor.JobRecord{
		JobSpec:  predictor.JobSpec{ID: id, Submitted: second(n - 2), User: "ann"},
		Started:  second(n - 1),
		Finished: second(n),
		Outcome:  predictor.Succeeded,
	}
}

// Full is a record with every field set.
func Full(id string) predictor.JobRecord {
	code, cpu, gpu := int32(137), 12.5, 0.0
	r := job(id, 100)
	r.JobSpec = predictor.JobSpec{
		ID: id, Submitted: second(1).Add(123456789), Cluster: "west", Namespace: "ml", User: "ann", Queue: "batch",
		Name: "train", Owner: "CronJob/nightly", Family: "resnet", Image: "img:1", Command: "python \"x\"\n\r\u2028é", Priority: -5,
		Pods: 4, Requests: predictor.Resources{CPUCores: 0.1, Memory: 1<<40 + 1, GPUs: 2.5}, GPUModel: "A100", NodeType: "large",
		RuntimeLimit: time.Hour + 1, ExpectedRuntime: time.Minute + 1,
		Features: map[string]predictor.Feature{"number": {Number: 1.0 / 3}, "zero": {}, "text": {Text: "42"}},
	}
	r.Finished = second(100).Add(1)
	r.Outcome, r.ExitCode, r.Attempts, r.OOMKills = predictor.OOMKilled, &code, 3, 2
	r.Usage = predictor.Usage{
		PeakMemory: 1<<33 + 1, WorkingSetPeak: 1 << 33, KernelPeak: 1<<33 + 2, CPUSeconds: &cpu, PeakCPUCores: 3.75, BusyCPUCores: 2.25,
		GPUUtilization: &gpu, PeakGPUMemory: 1 << 34, GPUShared: true, Quality: predictor.QualityExact,
	}
	r.Served = &predictor.Estimate{
		Runtime:     predictor.Quantiles[time.Duration]{P10: 1, P50: 2, P90: 3, P99: time.Hour},
		MeanRuntime: 5, PeakMemory: predictor.Exactly(predictor.GiB), Source: "owner CronJob/nightly: history",
		Samples: 7, Cold: true, Model: "20261124T031500Z-1a2b3c4d",
	}
	return r
}

// put stores records, all of which must be new or better.
func put(t *testing.T, h predictor.History, records ...predictor.JobRecord) {
	t.Helper()
	if n, err := h.Put(t.Context(), records); err != nil || n != len(records) {
		t.Fatalf("Put = %d, %v; want %d", n, err, len(records))
	}
}

func entries(t *testing.T, h predictor.History, from, to time.Time) []predictor.Entry {
	t.Helper()
	var all []predictor.Entry
	for e, err := range h.Records(t.Context(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// ids are the ids and sequences of entries: "a:1".
func ids(entries []predictor.Entry) []string {
	s := []string{}
	for _, e := range entries {
		s = append(s, fmt.Sprintf("%s:%d", e.ID, e.Sequence))
	}
	return s
}

func wantIDs(t *testing.T, got []predictor.Entry, want ...string) {
	t.Helper()
	if !slices.Equal(ids(got), want) {
		t.Fatalf("got %v, want %v", ids(got), want)
	}
}

// followed are the next n entries behind a sequence.
func followed(t *testing.T, h predictor.History, after uint64, n int) []predictor.Entry {
	t.Helper()
	var all []predictor.Entry
	if n == 0 {
		return nil
	}
	for e, err := range h.Follow(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, e); len(all) == n {
			break
		}
	}
	return all
}

func emptyHistory(t *testing.T, h predictor.History) {
	wantIDs(t, entries(t, h, time.Time{}, time.Time{}))
	put(t, h)
	wantIDs(t, entries(t, h, time.Time{}, time.Time{}))
}

func keepsFields(t *testing.T, h predictor.History) {
	want := []predictor.JobRecord{
		{JobSpec: predictor.JobSpec{ID: "bare"}, Finished: second(1)},
		Full("full"),
	}
	put(t, h, want...)
	var got []predictor.JobRecord
	for _, e := range entries(t, h, time.Time{}, time.Time{}) {
		got = append(got, e.JobRecord)
	}
	wantSame(t, "Records", got, want)
	got = nil
	for _, e := range followed(t, h, 0, 2) {
		got = append(got, e.JobRecord)
	}
	wantSame(t, "Follow", got, want)
}

func orderAndBounds(t *testing.T, h predictor.History) {
	old := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "old"}, Finished: time.Date(1901, 1, 1, 0, 0, 0, 5, time.UTC)}
	far := predictor.JobRecord{JobSpec: predictor.JobSpec{ID: "far"}, Finished: time.Date(2199, 1, 1, 0, 0, 0, 5, time.UTC)}
	put(t, h, job("c", 3), job("b", 2), job("a", 3), far)
	put(t, h, old, job("aa", 3))
	unbounded := time.Time{}
	for _, c := range []struct {
		from, to time.Time
		want     []string
	}{
		{unbounded, unbounded, []string{"old:5", "b:2", "a:3", "aa:6", "c:1", "far:4"}},
		{second(3), unbounded, []string{"a:3", "aa:6", "c:1", "far:4"}},
		{second(3).Add(1), unbounded, []string{"far:4"}},
		{unbounded, second(3), []string{"old:5", "b:2"}},
		{unbounded, second(3).Add(1), []string{"old:5", "b:2", "a:3", "aa:6", "c:1"}},
		{second(2), second(3), []string{"b:2"}},
		{second(3), second(3), []string{}},
		{second(4), second(3), []string{}},
		{second(3).In(time.FixedZone("", 3600)), second(4), []string{"a:3", "aa:6", "c:1"}},
		{time.Unix(0, 0), time.Unix(1, 0), []string{}},
	} {
		if got := ids(entries(t, h, c.from, c.to)); !slices.Equal(got, c.want) {
			t.Errorf("Records(%v, %v) = %v, want %v", c.from, c.to, got, c.want)
		}
	}
	wantIDs(t, followed(t, h, 0, 6), "c:1", "b:2", "a:3", "far:4", "old:5", "aa:6")
	wantIDs(t, followed(t, h, 4, 2), "old:5", "aa:6")

	// An iterator can be left early and ranged over again.
	all := h.Records(t.Context(), unbounded, unbounded)
	for range 2 {
		for e, err := range all {
			if err != nil || e.ID != "old" {
				t.Fatal(e.ID, err)
			}
			break
		}
	}
}

func putTwice(t *testing.T, h predictor.History) {
	records := []predictor.JobRecord{job("a", 1), Full("b")}
	put(t, h, records...)
	before := entries(t, h, time.Time{}, time.Time{})
	for _, again := range [][]predictor.JobRecord{records, records[:1], records[1:], {records[1], records[0]}} {
		if n, err := h.Put(t.Context(), again); n != 0 || err != nil {
			t.Fatalf("Put again = %d, %v; want 0", n, err)
		}
	}
	wantSame(t, "after putting twice", entries(t, h, time.Time{}, time.Time{}), before)
	put(t, h, job("c", 3)) // no sequence was lost on the way
	wantIDs(t, followed(t, h, 2, 1), "c:3")
}

func betterReplaces(t *testing.T, h predictor.History) {
	poor := job("a", 5)
	poor.Quality = predictor.QualityNone
	served := predictor.Estimate{Runtime: predictor.Exactly(time.Minute), Source: "prior"}
	poor.Served = &served
	put(t, h, poor, job("b", 6))

	exact := job("a", 7) // and it finished later than was thought
	exact.Quality, exact.PeakMemory = predictor.QualityExact, predictor.GiB
	put(t, h, exact)
	got := entries(t, h, time.Time{}, time.Time{})
	wantIDs(t, got, "b:2", "a:3")
	if got[1].PeakMemory != predictor.GiB || !got[1].Finished.Equal(second(7)) {
		t.Errorf("got %+v, want %+v", got[1].JobRecord, exact)
	}
	wantSame(t, "the estimate that was served", got[1].Served, &served)
	wantIDs(t, followed(t, h, 0, 2), "b:2", "a:3")

	if n, err := h.Put(t.Context(), []predictor.JobRecord{poor, exact}); n != 0 || err != nil {
		t.Fatalf("Put of what is poorer = %d, %v; want 0", n, err)
	}
	wantIDs(t, entries(t, h, time.Time{}, time.Time{}), "b:2", "a:3")
}

func sameIDInOneCall(t *testing.T, h predictor.History) {
	poor, rich, other := job("a", 1), job("a", 2), job("b", 3)
	rich.Quality = predictor.QualityExact
	if n, err := h.Put(t.Context(), []predictor.JobRecord{poor, other, rich, poor}); n != 2 || err != nil {
		t.Fatalf("Put = %d, %v; want 2", n, err)
	}
	got := entries(t, h, time.Time{}, time.Time{})
	wantIDs(t, got, "a:1", "b:2")
	if got[0].Quality != predictor.QualityExact {
		t.Errorf("the poorer record of two in one call was stored")
	}
}

func allOrNone(t *testing.T, h predictor.History) {
	bad := job("b", 2)
	bad.Started = second(5) // after its end
	n, err := h.Put(t.Context(), []predictor.JobRecord{job("a", 1), bad})
	var invalid *predictor.ValidationError
	if n != 0 || !errors.As(err, &invalid) {
		t.Fatalf("Put of an invalid record = %d, %v; want a ValidationError", n, err)
	}
	wantIDs(t, entries(t, h, time.Time{}, time.Time{}))
}

func manyRecords(t *testing.T, h predictor.History) {
	const n = 3000
	var all []predictor.JobRecord
	var byTime, bySequence []string
	for i := range n {
		id := fmt.Sprintf("%d/%d", n-i, i)
		all = append(all, job(id, n-i))
		bySequence = append(bySequence, fmt.Sprintf("%s:%d", id, i+1))
	}
	byTime = slices.Clone(bySequence)
	slices.Reverse(byTime)
	put(t, h, all...)
	wantIDs(t, entries(t, h, time.Time{}, time.Time{}), byTime...)
	wantIDs(t, followed(t, h, 0, n), bySequence...)
}

// follow checks that a follower gets what is there, then waits, and is woken by
// each Put, until its context ends.
func follow(t *testing.T, h predictor.History) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put(t, h, job("a", 1))
	got := make(chan string)
	last := make(chan error, 1)
	go func() {
		defer close(got)
		for e, err := range h.Follow(ctx, 0) {
			if err != nil {
				last <- err
				return
			}
			got <- fmt.Sprintf("%s:%d", e.ID, e.Sequence)
		}
	}()
	for i, id := range []string{"a", "b", "c", "d"} {
		if i > 0 {
			put(t, h, job(id, i))
		}
		if g, want := <-got, fmt.Sprintf("%s:%d", id, i+1); g != want {
			t.Fatalf("followed %q, want %q", g, want)
		}
	}
	cancel()
	if _, open := <-got; open {
		t.Error("another entry came after the context had ended")
	}
	if err := <-last; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ended with %v, want %v", err, context.Canceled)
	}
}

// followWriters checks that a follower misses nothing while several put.
func followWriters(t *testing.T, h predictor.History) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if n, err := h.Put(t.Context(), []predictor.JobRecord{job(fmt.Sprintf("%d/%d", w, i), i)}); n != 1 || err != nil {
					t.Errorf("Put = %d, %v", n, err)
				}
			}
		})
	}
	seen := map[string]bool{}
	for i, e := range followed(t, h, 0, writers*each) {
		if e.Sequence != uint64(i+1) || seen[e.ID] {
			t.Errorf("entry %d is %s with sequence %d", i, e.ID, e.Sequence)
		}
		seen[e.ID] = true
	}
	wg.Wait()
}

func endedContext(t *testing.T, h predictor.History) {
	put(t, h, job("a", 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := h.Put(ctx, []predictor.JobRecord{job("b", 2)}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %d, %v; want %v", n, err, context.Canceled)
	}
	for name, all := range map[string]func(func(predictor.Entry, error) bool){
		"Records": h.Records(ctx, time.Time{}, time.Time{}),
		"Follow":  h.Follow(ctx, 0),
	} {
		var last error
		for _, err := range all {
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("%s ended with %v, want %v", name, last, context.Canceled)
		}
	}
	wantIDs(t, entries(t, h, time.Time{}, time.Time{}), "a:1")
}
