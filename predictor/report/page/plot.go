package page

import (
	"fmt"
	"math"
	"strings"
)

// A Plot is a chart of lines in a frame; positions are in pixels of its SVG.
type Plot struct {
	XTitle, YTitle string
	XTicks, YTicks []Tick
	Lines          []Line
	Ideal          bool // draw the diagonal
}

// A Tick is a labelled place on an axis.
type Tick struct {
	At    float64
	Label string
}

// A Line is a series: its points joined, its marks drawn over them.
type Line struct {
	Class  string // of style
	Label  string
	KeyX   float64 // where the label stands in the row of keys below
	Path   string  // of an SVG polyline
	Marks  []Mark
	Single bool // one mark, no line
}

// A Mark is a dot on a line.
type Mark struct {
	X, Y float64
	Text string // of the tooltip
}

// The frame of a plot, which the page's template repeats.
const (
	frameLeft, frameRight = 58, 408
	frameTop, frameBottom = 12, 232
)

// Add appends a line and places its key.
func (p *Plot) Add(l Line) {
	l.KeyX = keysLeft
	for _, o := range p.Lines {
		l.KeyX += keyWidth + math.Round(letterWidth*float64(len(o.Label)))
	}
	p.Lines = append(p.Lines, l)
}

// Sizes of the row of keys: where it begins, of a dot with its gaps, of a letter.
const keysLeft, keyWidth, letterWidth = 12, 30, 6.4

// A Scale places values between two pixels.
type Scale struct {
	Low, High float64 // values
	From, To  float64 // pixels
	Log       bool
}

// At is the pixel of a value.
func (s Scale) At(x float64) float64 {
	low, high := s.Low, s.High
	if s.Log {
		low, high, x = math.Log(low), math.Log(high), math.Log(max(x, low))
	}
	return math.Round(10*(s.From+(x-low)/(high-low)*(s.To-s.From))) / 10
}

// Across is the scale of a plot's x axis.
func Across(low, high float64, log bool) Scale {
	return Scale{low, high, frameLeft, frameRight, log}
}

// Up is the scale of a plot's y axis.
func Up(low, high float64, log bool) Scale { return Scale{low, high, frameBottom, frameTop, log} }

// Ticks labels values of an axis.
func (s Scale) Ticks(label func(float64) string, values ...float64) []Tick {
	ticks := make([]Tick, 0, len(values))
	for _, v := range values {
		ticks = append(ticks, Tick{s.At(v), label(v)})
	}
	return ticks
}

// Steps are at most six round values from 0 to high.
func Steps(high float64) []float64 {
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

// Decades are the powers of ten from low to high, and their halves and fifths if there
// are few of them.
func Decades(low, high float64) []float64 {
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

// Join makes a polyline of marks.
func Join(marks []Mark) string {
	var b strings.Builder
	for i, m := range marks {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%g,%g", m.X, m.Y)
	}
	return b.String()
}

// Bars is a chart of amounts, one a row.
type Bars struct {
	Rows   []Bar
	Height int
}

// A Bar is one of them. Of Low and High, the ends of an interval, neither or both are set.
type Bar struct {
	Class, Label, Value string
	Low, High           float64
	Y                   int
	Width, From, To     float64 // pixels: the bar, at most barWidth, and its interval
	Cut                 bool    // longer than it is drawn
}

const barWidth, barStep = 190, 40

// NewBars draws amounts in ascending order. Those far beyond the middle one are cut, so
// that the others can be told apart.
func NewBars(rows []Bar, amounts []float64) Bars {
	const farBeyond = 2.5
	most := amounts[len(amounts)-1]
	if middle := amounts[len(amounts)/2]; middle > 0 {
		most = min(most, farBeyond*middle)
	}
	for _, row := range rows {
		most = max(most, min(row.High, 1.3*most)) // intervals as far as that is no great loss
	}
	pixels := func(x float64) float64 { return math.Round(10*barWidth*min(max(x, 0)/most, 1)) / 10 }
	for i := range rows {
		row := &rows[i]
		row.Y = barStep * i
		if most > 0 {
			row.Width, row.Cut = max(pixels(amounts[i]), 1), amounts[i] > most
			row.From, row.To = pixels(row.Low), pixels(row.High)
		}
	}
	return Bars{rows, barStep * len(rows)}
}
