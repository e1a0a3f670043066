package predictor

import "fmt"

// Bytes is an amount of memory in bytes.
type Bytes int64

// Binary multiples of a byte.
const (
	KiB Bytes = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// String prints b in the largest binary unit that keeps it at or above one, to
// four significant digits: "1.5GiB", "640MiB", "17B".
func (b Bytes) String() string {
	for _, u := range []struct {
		size Bytes
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b >= u.size || b <= -u.size {
			return fmt.Sprintf("%.4g%s", float64(b)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}
