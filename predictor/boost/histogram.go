package boost

// A sum is of gradients, each times its row's weight, and of weights, both in fixed point. A sum of
// no weight is of no rows.
type sum struct{ gradient, weight int64 }

func (s sum) plus(o sum) sum  { return sum{s.gradient + o.gradient, s.weight + o.weight} }
func (s sum) minus(o sum) sum { return sum{s.gradient - o.gradient, s.weight - o.weight} }

// A histogram has the sums of a node's rows by their code of a feature.
type histogram [256]sum

// count adds rows to the histograms of four features, whose codes are in words; sums[i] is that of
// rows[i]. This is where a fit spends its time.
func count(h *[4]histogram, words []uint32, rows []int32, sums []sum) {
	sums = sums[:len(rows)]
	for i, row := range rows {
		word, s := words[row], sums[i]
		h0 := &h[0][uint8(word)]
		h0.gradient += s.gradient
		h0.weight += s.weight
		h1 := &h[1][uint8(word>>8)]
		h1.gradient += s.gradient
		h1.weight += s.weight
		h2 := &h[2][uint8(word>>16)]
		h2.gradient += s.gradient
		h2.weight += s.weight
		h3 := &h[3][uint8(word>>24)]
		h3.gradient += s.gradient
		h3.weight += s.weight
	}
}

// subtract takes the rows of o from h.
func (h *histogram) subtract(o *histogram) {
	for code := range h {
		h[code] = h[code].minus(o[code])
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
	minWeight float64 // of either side
}

// rounding is the share of a score that a gain has to exceed not to be one of rounding.
const rounding = 1e-10

// best returns the split by a feature that gains most for a node with the given total.
func (s splitter) best(h *histogram, bins int, total sum) split {
	var best split
	whole := s.score(total)
	least := whole * (1 + rounding)
	try := func(left sum, bin int, missingLeft bool) {
		right := total.minus(left)
		if float64(left.weight) < s.minWeight || float64(right.weight) < s.minWeight {
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
		if h[bin].weight == 0 {
			continue // as after the bin before
		}
		left = left.plus(h[bin])
		if missing.weight > 0 {
			try(left, bin, false)
			try(left.plus(missing), bin, true)
		} else {
			// Nothing is known of missing values here: they go with the many.
			try(left, bin, left.weight > total.weight-left.weight)
		}
	}
	return best
}

// score is by how much its best value lowers the squared error of a node's gradients.
func (s splitter) score(node sum) float64 {
	g := float64(node.gradient)
	return g * g / (float64(node.weight) + s.l2)
}
