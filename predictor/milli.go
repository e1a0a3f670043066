package predictor

import "math"

// Milli is an amount in thousandths: of a CPU core, or of a whole that is shared.
type Milli int64

// MilliOf returns x in thousandths, rounded. x is a number below 9e15 either way.
func MilliOf(x float64) Milli { return Milli(math.Round(1000 * x)) }

// Float64 is m in ones: cores, or a share.
func (m Milli) Float64() float64 { return float64(m) / 1000 }
