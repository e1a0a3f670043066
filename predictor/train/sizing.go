package train

import (
	"container/heap"
	"math"

	"github.com/runcast/runcast/predictor"
)

const (
	// fewestPeaks is how many runs of a group it takes for the baselines to go by them.
	fewestPeaks = 3
	// headroom over what was seen, at first and after an OOM kill.
	headroom, retryHeadroom = 1.02, 1.05
	bytesPerGB              = 1e9
)

// sizing tries out memory requests: it knows what the jobs of each group have needed,
// as the baselines of the target memory and the ladder of retries read it. Amounts are
// in bytes, of a job's largest pod.
type sizing struct {
	node   float64 // the largest allocation there is
	groups map[GroupName]*peaks
}

// newSizing takes for a node's memory the largest that any job of the history asked
// for or needed: there must have been a node that large.
func newSizing(records []predictor.JobRecord) *sizing {
	z := &sizing{groups: map[GroupName]*peaks{}}
	for i := range records {
		z.node = max(z.node, float64(records[i].Requests.Memory), float64(records[i].PeakMemory))
	}
	return z
}

// rules are the baselines; they all read what the sizing has observed.
func (z *sizing) rules() []rule {
	return []rule{
		{"request", allocation(z.request)},
		{"max102", allocation(func(s *predictor.JobSpec) float64 {
			return z.fromPeaks(s, func(p *peaks) float64 { return headroom * p.largest })
		})},
		{"q99x102", allocation(func(s *predictor.JobSpec) float64 {
			return z.fromPeaks(s, func(p *peaks) float64 { return headroom * p.q99.value() })
		})},
	}
}

// An allocation is a baseline that learns nothing beyond what its sizing knows.
type allocation func(*predictor.JobSpec) float64

func (a allocation) predict(s *predictor.JobSpec) float64        { return a(s) }
func (allocation) observe(_ *predictor.JobRecord, bytes float64) {}

// request is what the job asks for; one that asks for nothing may take the whole node.
func (z *sizing) request(s *predictor.JobSpec) float64 {
	if s.Requests.Memory > 0 {
		return float64(s.Requests.Memory)
	}
	return z.node
}

// fromPeaks is what a rule makes of the peaks of the job's group, the request while
// there are too few.
func (z *sizing) fromPeaks(s *predictor.JobSpec, rule func(*peaks) float64) float64 {
	if p := z.groups[groupName(s)]; p != nil && p.q99.count() >= fewestPeaks {
		return min(rule(p), z.node)
	}
	return z.request(s)
}

func (z *sizing) observe(r *predictor.JobRecord) {
	x := float64(r.PeakMemory)
	if x <= 0 {
		return
	}
	name := groupName(&r.JobSpec)
	p := z.groups[name]
	if p == nil {
		p = &peaks{q99: percentile{share: 0.99}}
		z.groups[name] = p
	}
	p.largest = max(p.largest, x)
	p.q99.add(x)
}

// A trial is one job to run with a memory request, and again with more each time it
// is killed for memory.
type trial struct {
	first float64 // request, bytes, at most node
	retry float64 // what it gets after the first OOM kill, if that is more
	node  float64 // the most it can get
	peak  float64 // what it needs, at most node
	hours float64 // it takes with enough memory; an attempt that fails does so at the end
}

// A cost is what a trial took.
type cost struct {
	wastage  float64 // GB-hours: of the last attempt what was not used, of the others all
	attempts int
}

// trial is how a job runs with a first request. After an OOM kill it gets what the
// largest job of its group took, and 5 %; if it had as much already or that is not
// enough, twice as much each time, up to the node.
func (z *sizing) trial(r *predictor.JobRecord, first float64) trial {
	return trial{min(first, z.node), z.retry(&r.JobSpec), z.node, float64(r.PeakMemory), r.Runtime().Hours()}
}

// retry is what a job gets after its first OOM kill; zero of the first of a group.
func (z *sizing) retry(s *predictor.JobSpec) float64 {
	if p := z.groups[groupName(s)]; p != nil {
		return retryHeadroom * p.largest
	}
	return 0
}

// run plays the trial with its request scaled.
func (t trial) run(scale float64) cost {
	allocated, retry := min(scale*t.first, t.node), t.retry
	c := cost{attempts: 1}
	for ; allocated < t.peak; c.attempts++ {
		c.wastage += allocated * t.hours / bytesPerGB
		if retry <= allocated {
			retry = 2 * allocated
		}
		allocated = min(retry, t.node)
	}
	c.wastage += (allocated - t.peak) * t.hours / bytesPerGB
	return c
}

// peaks are what the runs of a group have needed.
type peaks struct {
	largest float64
	q99     percentile
}

// A percentile is a running quantile of all values added, linear between the two
// nearest ones, as NumPy and spreadsheets have it: the value at place share×(n-1) of
// them, counted from 0 in ascending order.
type percentile struct {
	share float64
	low   floats // the values up to that place, the largest first, negated
	high  floats // the others, the smallest first
}

func (p *percentile) count() int { return len(p.low) + len(p.high) }

func (p *percentile) add(x float64) {
	if len(p.low) > 0 && x <= -p.low[0] {
		heap.Push(&p.low, -x)
	} else {
		heap.Push(&p.high, x)
	}
	for want := int(p.place()) + 1; len(p.low) < want; {
		heap.Push(&p.low, -heap.Pop(&p.high).(float64))
	}
	for want := int(p.place()) + 1; len(p.low) > want; {
		heap.Push(&p.high, -heap.Pop(&p.low).(float64))
	}
}

func (p *percentile) place() float64 { return p.share * float64(p.count()-1) }

// value is the quantile; there must be a value.
func (p *percentile) value() float64 {
	below := -p.low[0]
	if len(p.high) == 0 {
		return below
	}
	return below + (p.place()-math.Floor(p.place()))*(p.high[0]-below)
}

// floats is a heap, the smallest first.
type floats []float64

func (f floats) Len() int           { return len(f) }
func (f floats) Less(i, j int) bool { return f[i] < f[j] }
func (f floats) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *floats) Push(x any)        { *f = append(*f, x.(float64)) }
func (f *floats) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}
