package boost

import (
	"fmt"
	"testing"
)

// The time per row of a fit, 44 features, 100 trees of 31 leaves: it grows no faster than log n.
func BenchmarkFit(b *testing.B) {
	for _, n := range []int{10_000, 65_536, 100_000, 1_000_000} {
		rows := synthetic(b, n, 44, 1)
		for _, loss := range []struct {
			name string
			Loss
		}{{"squared", Squared()}, {"p90", Pinball(0.9)}} {
			b.Run(fmt.Sprintf("rows=%d/loss=%s", n, loss.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					mustFit(b, rows, Options{Loss: loss.Loss})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
			})
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	rows := synthetic(b, 20_000, 40, 1)
	f := mustFit(b, rows, Options{})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f.Predict(rows.row(i))
		i = (i + 1) % rows.Len()
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	encoded := encoded(b, mustFit(b, synthetic(b, 20_000, 40, 1), Options{}))
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		var f Forest
		if err := f.UnmarshalBinary(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
