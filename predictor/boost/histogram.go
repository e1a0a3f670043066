package boost

// A sum is of gradients, each times its weight, and of weights, both in fixed point. One whose
// weight is zero is of no rows.
type sum struct{ gradient, weight int64 }

func (s sum) plus(o sum) sum  { return sum{s.gradient + o.gradient, s.weight + o.weight} }
func (s sum) minus(o sum) sum { return sum{s.gradient - o.gradient, s.weight - o.weight} }

// A histogram has the sums of a node's rows by the code of a feature.
type histogram [256]sum

// count adds rows to the histograms of four features, whose codes are in words; sums[i] is of
// rows[i]. This is where a fit spends its time.
func count(h *[4]histogram, words []uint32, rows []int32, sums []sum) {
	sums = sums[:len(rows)]
	for i, row := range rows {
		word, s := words[row], sums[i]
		a := &h[0][uint8(word)]
		a.gradient += s.gradient
		a.weight += s.weight
		b := &h[1][uint8(word>>8)]
		b.gradient += s.gradient
		b.weight += s.weight
		c := &h[2][uint8(word>>16)]
		c.gradient += s.gradient
		c.weight += s.weight
		d := &h[3][uint8(word>>24)]
		d.gradient += s.gradient
		d.weight += s.weight
	}
}

// subtract leaves in h what is not in o.
func (h *histogram) subtract(o *histogram, bins int) {
	for b := range h[:bins+1] {
		h[b] = h[b].minus(o[b])
	}
}

// A split sends values of a feature up to and including those of a bin to the left.
type split struct {
	gain        float64 // of squared error, in fixed point; 0 if there is no split
	feature     int
	bin         int
	missingLeft bool
	left        sum
}

// clearly is how much larger a gain has to be to be the larger one: more than rounding could make
// of two that are the same. The first then wins, whatever the order of the rows.
const clearly = 1 + 1e-12

// A divider finds splits.
type divider struct {
	l2        float64 // in fixed point
	minWeight int64   // of either side
}

// score is by how much a node's best value lowers its squared error, apart from a factor.
func (d divider) score(s sum) float64 {
	g := float64(s.gradient)
	return g * g / (float64(s.weight) + d.l2)
}

// divide returns the best split by a feature of a node with the given total.
func (d divider) divide(h *histogram, bins int, total sum) split {
	best := split{gain: d.score(total) * (1 + 1e-10)}
	found := false
	try := func(left sum, bin int, missingLeft bool) {
		right := total.minus(left)
		if left.weight < d.minWeight || right.weight < d.minWeight {
			return
		}
		if score := d.score(left) + d.score(right); score > best.gain*clearly {
			best = split{gain: score, bin: bin, missingLeft: missingLeft, left: left}
			found = true
		}
	}
	missing := h[0]
	var left sum
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
	if !found {
		return split{}
	}
	best.gain -= d.score(total)
	return best
}
