package boost

// A sum is of gradients, each times its row's weight, and of weights: two numbers in fixed point in
// one word, so that sums add and subtract as words do. That holds while neither overflows, which
// newGrower and aim see to.
type sum int64

const (
	weightBits   = 28 // never negative
	gradientBits = 64 - weightBits
)

func (s sum) weight() int64   { return int64(s) & (1<<weightBits - 1) }
func (s sum) gradient() int64 { return int64(s) >> weightBits }

// A histogram has the sums of a node's rows by their code of a feature.
type histogram [256]sum

// count adds rows to the histograms of four features, whose codes are in words. This is where a fit
// spends its time.
func count(h *[4]histogram, words []uint32, rows []int32, sums []sum) {
	for _, row := range rows {
		word, s := words[row], sums[row]
		h[0][uint8(word)] += s
		h[1][uint8(word>>8)] += s
		h[2][uint8(word>>16)] += s
		h[3][uint8(word>>24)] += s
	}
}

// subtract takes the rows of o from h.
func (h *histogram) subtract(o *histogram) {
	for code := range h {
		h[code] -= o[code]
	}
}

// A split sends the values of a feature up to and including those of a bin to the left.
type split struct {
	gain        float64 // squared error of the gradients that it removes, in fixed point; 0: no split
	feature     int
	bin         int
	missingLeft bool
	left        sum
}

// A splitter finds splits; its numbers are in fixed point.
type splitter struct {
	l2        float64
	minWeight int64 // of either side, 1 or more
}

// rounding is the share of a score that a gain has to exceed not to be one of rounding.
const rounding = 1e-10

// best returns the split by a feature that gains most for a node with the given total.
func (s splitter) best(h *histogram, bins int, total sum) split {
	var best split
	whole := s.score(total)
	least := whole * (1 + rounding)
	try := func(left sum, bin int, missingLeft bool) {
		right := total - left
		if left.weight() < s.minWeight || right.weight() < s.minWeight {
			return
		}
		if score := s.score(left) + s.score(right); score > least {
			least = score
			best = split{gain: score - whole, bin: bin, missingLeft: missingLeft, left: left}
		}
	}
	var left sum
	missing := h[0]
	for bin := 1; bin <= bins; bin++ {
		if h[bin] == 0 {
			continue // as after the bin before
		}
		left += h[bin]
		if missing != 0 {
			try(left, bin, false)
			try(left+missing, bin, true)
		} else {
			// Nothing is known of missing values here: they go with the many.
			try(left, bin, left.weight() > (total-left).weight())
		}
	}
	return best
}

// score is by how much its best value lowers the squared error of a node's gradients.
func (s splitter) score(node sum) float64 {
	g := float64(node.gradient())
	return g * g / (float64(node.weight()) + s.l2)
}
