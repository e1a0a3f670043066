package sim

import "math"

// priced is the Lagrangian bound of the time-indexed program. For any price of the
// machine's time, at least 0 at each moment, let every job choose the start at
// which its flow time and what it pays are least: the sum over the jobs, less the
// price of all time, is a lower bound on the sum of flow times, since no schedule
// that fits the machine pays more than that. Prices are constant within buckets
// and raised where the chosen starts overload the machine (subgradient steps of
// Polyak's length). known is a bound known before; the result is at least 0.
func priced(work []*piece, known float64) float64 {
	m := newMarket(work)
	best := 0.0
	target := 1.05
	for stuck, round := 0, 0; round < 300 && m.looks < maxLooks; round++ {
		bound := m.trade(work)
		if bound > best {
			best, stuck = bound, 0
		} else if stuck++; stuck == 10 {
			target, stuck = 1+(target-1)/2, 0
		}
		if !m.adjust(target*math.Max(best, known) - bound) {
			break
		}
	}
	return best
}

// A market is a machine whose time has a price.
type market struct {
	width float64   // of a bucket, seconds
	price []float64 // of each bucket, per second of the whole machine
	paid  []float64 // prefix sums: what the machine costs up to the start of each bucket
	load  []float64 // part of the machine that is asked for in each bucket, of the last trade
	looks int       // prices that were asked so far
}

// maxLooks bounds the effort: about a second.
const maxLooks = 40_000_000

// newMarket has buckets up to the time at which all work is surely done.
func newMarket(work []*piece) *market {
	var runtimes, size float64
	for _, p := range work {
		runtimes += p.runtime
		size += p.size
	}
	n := float64(len(work))
	horizon := work[len(work)-1].release + 2*size + 2*runtimes/n
	m := &market{width: math.Max(runtimes/n/8, horizon/50_000)}
	buckets := int(horizon/m.width) + 1
	m.price = make([]float64, buckets)
	m.paid = make([]float64, buckets+1)
	m.load = make([]float64, buckets+1)
	return m
}

// trade lets every job choose its start and returns the bound.
func (m *market) trade(work []*piece) float64 {
	clear(m.load)
	for b, p := range m.price {
		m.paid[b+1] = m.paid[b] + p*m.width
	}
	sum := -m.paid[len(m.price)]
	for _, p := range work {
		start, cost := m.choose(p)
		sum += cost
		m.use(start, p.runtime, p.size/p.runtime)
	}
	return sum
}

// until is what the machine costs up to time t.
func (m *market) until(t float64) float64 {
	b := int(t / m.width)
	if b >= len(m.price) {
		return m.paid[len(m.price)]
	}
	return m.paid[b] + m.price[b]*(t-float64(b)*m.width)
}

// choose returns the start at which the flow time of p and what it pays are least.
// The sum is linear between the edges of buckets, and at least the flow time.
func (m *market) choose(p *piece) (start, cost float64) {
	part := p.size / p.runtime
	at := func(s float64) float64 {
		return s + p.runtime - p.release + part*(m.until(s+p.runtime)-m.until(s))
	}
	start, cost = p.release, at(p.release)
	for _, ahead := range [2]float64{0, p.runtime} { // it starts, or ends, at an edge
		for k := math.Ceil((p.release + ahead) / m.width); ; k++ {
			m.looks++
			s := k*m.width - ahead
			if s+p.runtime-p.release >= cost {
				break
			}
			if c := at(s); c < cost {
				start, cost = s, c
			}
		}
	}
	return start, cost
}

// use adds part of the machine from start for d to the load.
func (m *market) use(start, d, part float64) {
	end := start + d
	for b := int(start / m.width); b < len(m.price) && float64(b)*m.width < end; b++ {
		from, to := math.Max(start, float64(b)*m.width), math.Min(end, float64(b+1)*m.width)
		m.looks++
		m.load[b] += part * (to - from) / m.width
	}
}

// adjust raises the prices where the load was over the machine and lowers them
// where it was under it, so far that the bound would gain gap if it were linear.
// It reports false if there is nothing to change.
func (m *market) adjust(gap float64) bool {
	var norm float64
	for b, p := range m.price {
		over := m.load[b] - 1
		if over > 0 || p > 0 {
			norm += over * over * m.width
		}
	}
	if norm == 0 {
		return false
	}
	for b, p := range m.price {
		m.price[b] = math.Max(0, p+gap/norm*(m.load[b]-1))
	}
	return true
}
