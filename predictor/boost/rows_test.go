package boost

import (
	"math/rand/v2"
	"testing"
)

// TestKeepLast compares with a plain list of numbers: each row's target is its number, and so is
// its only feature.
func TestKeepLast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	rows, err := NewRows(1)
	if err != nil {
		t.Fatal(err)
	}
	holds := func(r *Rows, first, last int) {
		t.Helper()
		if r.Len() != last-first {
			t.Fatalf("%d rows, not those from %d to %d", r.Len(), first, last)
		}
		for i := range r.Len() {
			if number := first + i; r.row(i)[0] != float32(number) || r.targets[i] != float64(number) {
				t.Fatalf("row %d has %g and %g, not %d", i, r.row(i)[0], r.targets[i], number)
			}
		}
	}
	first, last := 0, 0
	for range 200 {
		for range random.IntN(2 * blockRows) {
			if err := rows.Append([]float32{float32(last)}, float64(last), 1); err != nil {
				t.Fatal(err)
			}
			last++
		}
		snapshot, from, to := *rows, first, last
		keep := random.IntN(4 * blockRows)
		rows.KeepLast(keep)
		first = max(first, last-keep)
		holds(rows, first, last)
		holds(&snapshot, from, to)
		if most := keep/blockRows + 2; len(rows.blocks) > most {
			t.Fatalf("%d blocks for %d rows, more than %d", len(rows.blocks), keep, most)
		}
	}
}

// TestAppendAllocatesBlocks: rows that are kept in bounds cost an allocation a block, not a row.
func TestAppendAllocatesBlocks(t *testing.T) {
	rows, err := NewRows(44)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 44)
	perBlock := testing.AllocsPerRun(50, func() {
		for range blockRows {
			if err := rows.Append(x, 1, 1); err != nil {
				t.Fatal(err)
			}
			rows.KeepLast(4 * blockRows)
		}
	})
	if perBlock > 8 {
		t.Errorf("%g allocations for %d rows", perBlock, blockRows)
	}
}

func BenchmarkAppend(b *testing.B) {
	rows, err := NewRows(44)
	if err != nil {
		b.Fatal(err)
	}
	x := make([]float32, 44)
	b.ReportAllocs()
	for b.Loop() {
		if err := rows.Append(x, 1, 1); err != nil {
			b.Fatal(err)
		}
		rows.KeepLast(65_536)
	}
}
