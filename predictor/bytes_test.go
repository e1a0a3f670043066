package predictor_test

import (
	"math"
	"testing"

	. "github.com/runcast/runcast/predictor"
)

func TestBytesString(t *testing.T) {
	for _, tt := range []struct {
		b    Bytes
		want string
	}{
		{0, "0B"},
		{17, "17B"},
		{-17, "-17B"},
		{KiB - 1, "1023B"},
		{KiB, "1KiB"},
		{640 * MiB, "640MiB"},
		{GiB + GiB/2, "1.5GiB"},
		{-GiB - GiB/2, "-1.5GiB"},
		{GiB - 1, "1024MiB"},
		{5 * TiB, "5TiB"},
		{MaxMemory, "1024TiB"},
		{math.MinInt64, "-8.389e+06TiB"},
	} {
		if got := tt.b.String(); got != tt.want {
			t.Errorf("Bytes(%d).String() = %q, want %q", int64(tt.b), got, tt.want)
		}
	}
}
