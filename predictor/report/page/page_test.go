package page

import "testing"

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0 %", 1e-16: "0 %", -1e-16: "0 %", 0.0001: "0.01 %", 0.05: "5.0 %", 0.5: "50 %", 0.995: "99.50 %", 1: "100 %", 1 - 1e-9: "100 %", -0.5: "-50.00 %",
	} {
		if got := Percent(share); got != want {
			t.Errorf("%g is %q, want %q", share, got, want)
		}
	}
}

func TestBars(t *testing.T) {
	for _, test := range []struct {
		amounts, widths []float64
		cut             bool // the last
	}{
		{[]float64{0, 0, 0}, []float64{0, 0, 0}, false},
		{[]float64{0, 0, 28}, []float64{1, 1, barWidth}, false}, // most of them nothing: no reason to draw none
		{[]float64{1, 2}, []float64{barWidth / 2, barWidth}, false},
		{[]float64{1, 2, 50}, []float64{barWidth / 5, 2 * barWidth / 5, barWidth}, true},
	} {
		b := NewBars(make([]Bar, len(test.amounts)), test.amounts)
		for i, row := range b.Rows {
			if cut := test.cut && i == len(b.Rows)-1; row.Width != test.widths[i] || row.Cut != cut {
				t.Errorf("%v: bar %d is %g wide, cut %v, want %g, %v", test.amounts, i, row.Width, row.Cut, test.widths[i], cut)
			}
		}
	}
}
