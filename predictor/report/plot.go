package report

import (
	"fmt"
	"math"
	"strings"
)

// A plot is a chart of lines in a frame; positions are in pixels of its SVG.
type plot struct {
	XTitle, YTitle string
	XTicks, YTicks []tick
	Lines          []line
	Ideal          bool // draw the diagonal
}

// A tick is a labelled place on an axis.
type tick struct {
	At    float64
	Label string
}

// A line is a series: its points joined, its marks drawn over them.
type line struct {
	Class  string // of style
	Label  string
	KeyX   float64 // where the label stands in the row of keys below
	Path   string  // of an SVG polyline
	Marks  []mark
	Single bool // one mark, no line
}

type mark struct {
	X, Y float64
	Text string // of the tooltip
}

// The frame of a plot, which the page's template repeats.
const (
	frameLeft, frameRight = 58, 408
	frameTop, frameBottom = 12, 232
)

// add appends a line and places its key.
func (p *plot) add(l line) {
	l.KeyX = keysLeft
	for _, o := range p.Lines {
		l.KeyX += keyWidth + math.Round(letterWidth*float64(len(o.Label)))
	}
	p.Lines = append(p.Lines, l)
}

// Sizes of the row of keys: where it begins, of a dot with its gaps, of a letter.
const keysLeft, keyWidth, letterWidth = 12, 30, 6.4

// A scale places values between two pixels.
type scale struct {
	low, high float64 // values
	from, to  float64 // pixels
	log       bool
}

func (s scale) at(x float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, x = math.Log(low), math.Log(high), math.Log(max(x, low))
	}
	return math.Round(10*(s.from+(x-low)/(high-low)*(s.to-s.from))) / 10
}

// ticks labels values of an axis.
func (s scale) ticks(label func(float64) string, values ...float64) []tick {
	ticks := make([]tick, 0, len(values))
	for _, v := range values {
		ticks = append(ticks, tick{s.at(v), label(v)})
	}
	return ticks
}

// steps are at most six round values from 0 to high.
func steps(high float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for _, part := range []float64{0.2, 0.5, 1} {
		if high/(part*step) <= 5 {
			step *= part
			break
		}
	}
	var at []float64
	for i := 0; float64(i)*step <= high*(1+1e-9); i++ {
		at = append(at, float64(i)*step)
	}
	return at
}

// decades are the powers of ten from low to high, and their halves and fifths if there
// are few of them.
func decades(low, high float64) []float64 {
	parts := []float64{1, 2, 5}
	if high/low > 200 {
		parts = parts[:1]
	}
	var at []float64
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, part := range parts {
			if x := part * math.Pow(10, e); x >= low && x <= high {
				at = append(at, x)
			}
		}
	}
	return at
}

// join makes a polyline of marks.
func join(marks []mark) string {
	var b strings.Builder
	for i, m := range marks {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%g,%g", m.X, m.Y)
	}
	return b.String()
}

// bars is a chart of amounts, one a row.
type bars struct {
	Rows   []bar
	Height int
}

type bar struct {
	Class, Label, Value string
	Y                   int
	Width               float64 // pixels, at most barWidth
	Cut                 bool    // longer than it is drawn
}

const barWidth, barStep = 190, 40

// newBars draws amounts in ascending order. Those far beyond the middle one are cut, so
// that the others can be told apart.
func newBars(rows []bar, amounts []float64) bars {
	const farBeyond = 2.5
	most := min(amounts[len(amounts)-1], farBeyond*amounts[len(amounts)/2])
	for i := range rows {
		rows[i].Y = barStep * i
		if most > 0 {
			rows[i].Width, rows[i].Cut = max(math.Round(10*barWidth*min(amounts[i]/most, 1))/10, 1), amounts[i] > most
		}
	}
	return bars{rows, barStep * len(rows)}
}
