package model

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// hourly is a history in which jobs take ten times as long when they are submitted
// after noon, which nothing else that they have in common tells.
func hourly(n int) []predictor.JobRecord {
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	records := make([]predictor.JobRecord, n)
	for i := range records {
		at = at.Add(time.Duration(random.ExpFloat64() * float64(7*time.Hour)))
		runtime := time.Duration(float64(time.Minute) * math.Exp(random.NormFloat64()/4))
		if at.Hour() >= 12 {
			runtime *= 10
		}
		records[i] = predictor.JobRecord{
			JobSpec: predictor.JobSpec{ID: fmt.Sprint(i), Name: "train", User: "ada", Submitted: at},
			Started: at, Finished: at.Add(runtime), Outcome: predictor.Succeeded,
		}
	}
	return records
}

func trained(records []predictor.JobRecord) *Model {
	m := New(7)
	for _, r := range records {
		m.Observe(r)
	}
	return m
}

func TestTreesTellHours(t *testing.T) {
	records := hourly(4 * firstFit)
	m := trained(records)
	at := records[len(records)-1].Submitted.Truncate(24*time.Hour).AddDate(0, 0, 1)
	for hour := range 24 {
		e := m.Estimate(&predictor.JobSpec{Name: "train", User: "ada", Submitted: at.Add(time.Duration(hour)*time.Hour + 30*time.Minute)})
		want := time.Minute
		if hour >= 12 {
			want *= 10
		}
		if e.Runtime.P50 < want/2 || e.Runtime.P50 > 2*want {
			t.Errorf("%02d:30: p50 %v, want about %v", hour, e.Runtime.P50, want)
		}
	}
}

func TestDecodedTreesSayTheSame(t *testing.T) {
	records := hourly(firstFit + 50)
	var first, again, decoded bytes.Buffer
	m := trained(records)
	if err := m.Encode(&first); err != nil {
		t.Fatal(err)
	}
	if err := trained(records).Encode(&again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Error("the same records and seed gave other bytes")
	}
	read, err := Decode(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if read.targets[features.Runtime].tilt.forest == nil {
		t.Fatal("the forest was lost")
	}
	if err := read.Encode(&decoded); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), decoded.Bytes()) {
		t.Error("encoding what was decoded gave other bytes")
	}
	for _, r := range records[:100] {
		if was, is := m.Estimate(&r.JobSpec), read.Estimate(&r.JobSpec); was != is {
			t.Fatalf("%s: %+v, decoded %+v", r.ID, was, is)
		}
	}
	read.Observe(records[0]) // seen before
	r := records[1]
	r.ID = "new"
	read.Observe(r) // a decoded model learns on, without rows
}

func TestTiltKeepsMassAndOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	m := trained(hourly(firstFit + 1))
	for range 1000 {
		var d distribution
		var points []point
		for range 1 + random.IntN(20) {
			points = append(points, point{log: float64(random.IntN(10)), weight: random.Float64(), censored: random.IntN(8) == 0})
		}
		points = append(points, point{log: 5, weight: 1})
		slices.SortFunc(points, comparePoints)
		d.steps = productLimit(points, nil)
		total, p50 := d.below(math.Inf(1)), d.quantile(0.5)
		var x columns
		for i := range x {
			x[i] = float32(10 * random.NormFloat64())
		}
		said := m.targets[features.Runtime].tilt.say(&x)
		m.targets[features.Runtime].tilt.apply(&d, said)
		if !slices.IsSortedFunc(d.steps, func(a, b step) int { return cmp.Compare(a.upTo, b.upTo) }) {
			t.Fatalf("mass falls: %v", d.steps)
		}
		if tilted := d.below(math.Inf(1)); said > 0 && tilted > total+1e-9 || said < 0 && tilted < total-1e-9 {
			t.Fatalf("said %g: mass %g became %g", said, total, tilted)
		}
		if now := d.quantile(0.5); said > 0 && now < p50 || said < 0 && now > p50 {
			t.Fatalf("said %g: median %g became %g", said, p50, now)
		}
	}
}
