package boost

import (
	"bytes"
	"math"
	"testing"
)

func encoded(t testing.TB, f *Forest) []byte {
	t.Helper()
	b, err := f.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	rows := synthetic(t, 2000, 6, 1)
	f := mustFit(t, rows, Options{Trees: 20})
	b := encoded(t, f)
	var back Forest
	if err := back.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, &back), b) {
		t.Error("other bytes after a round trip")
	}
	for i := range rows.Len() {
		if f.Predict(rows.row(i)) != back.Predict(rows.row(i)) {
			t.Fatalf("row %d: %g, then %g", i, f.Predict(rows.row(i)), back.Predict(rows.row(i)))
		}
	}
	before := encoded(t, &back)
	for n := range b {
		if back.UnmarshalBinary(b[:n]) == nil {
			t.Fatalf("no error for the first %d bytes of %d", n, len(b))
		}
	}
	if back.UnmarshalBinary(append(b, 0)) == nil {
		t.Error("no error for a byte too many")
	}
	if !bytes.Equal(encoded(t, &back), before) {
		t.Error("an error has changed the forest")
	}
}

// FuzzUnmarshal: whatever decodes predicts a finite number and encodes to itself.
func FuzzUnmarshal(f *testing.F) {
	rows := synthetic(f, 300, 4, 1)
	f.Add(encoded(f, mustFit(f, rows, Options{Trees: 2, Leaves: 4})))
	f.Add(encoded(f, &Forest{width: 1, gains: make([]float64, 1)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var forest Forest
		if forest.UnmarshalBinary(b) != nil {
			return
		}
		x := make([]float32, forest.Width())
		for _, v := range []float32{0, -1, 1, float32(math.NaN()), float32(math.Inf(1))} {
			for i := range x {
				x[i] = v
			}
			if y := forest.Predict(x); math.IsNaN(y) || math.IsInf(y, 0) {
				t.Errorf("predicts %g", y)
			}
		}
		again := encoded(t, &forest)
		var back Forest
		if err := back.UnmarshalBinary(again); err != nil || !bytes.Equal(encoded(t, &back), again) {
			t.Errorf("does not survive a round trip: %v", err)
		}
	})
}
