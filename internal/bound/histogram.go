package bound

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// histogramData is one series of a histogram: a distribution, and further ones where goroutines collide.
type histogramData[N number] struct {
	bounds
	spread atomic.Pointer[[]*distribution[N]]
	misses atomic.Uint32 // since the last collection
	base   distribution[N]
}

// distribution is updated under a one-word lock. That is two atomic instructions a measurement, where
// counting in the open and telling a collection which counts belong together takes four or five.
type distribution[N number] struct {
	counts []uint64 // the numbers, not the slice, are guarded by lock
	lock   atomic.Uint32
	// What follows is guarded by lock.
	measured bool
	sum      N
	min, max N
}

// The types here put a series and all that its histogram needs into one allocation, for two reasons. A
// service that has just done something else finds nothing of it in the cache, and what lies side by side
// comes together. And what a measurement writes moves from core to core with it, so it is in a cache line of
// its own, that of the lock, with the first four counts in it, away from what is only read: the
// distribution's slice is the last thing in the line before. That holds for up to 20 buckets.
type (
	histogramSeries[N number] struct {
		series[N]
		data histogramData[N]
	}
	smallHistogramSeries[N number] struct { // 256 bytes
		histogramSeries[N]
		counts [12]uint64
	}
	commonHistogramSeries[N number] struct { // 320 bytes
		histogramSeries[N]
		counts [20]uint64
	}
)

func newHistogramSeries[N number](b *buckets) *series[N] {
	var s *histogramSeries[N]
	var counts []uint64
	switch n := len(b.bounds) + 1; {
	case n <= 12:
		one := new(smallHistogramSeries[N])
		s, counts = &one.histogramSeries, one.counts[:n]
	case n <= 20:
		one := new(commonHistogramSeries[N])
		s, counts = &one.histogramSeries, one.counts[:n]
	default:
		s, counts = new(histogramSeries[N]), make([]uint64, n)
	}
	s.data.bounds = b.bounds
	s.data.base.counts = counts
	s.hist = &s.data
	return &s.series
}

// record adds v to one of the distributions. It waits for no other goroutine for longer than a collision
// takes: if the distribution is not to be had it takes another one.
func (h *histogramData[N]) record(v N) {
	i := h.index(float64(v))
	d := h.locked()
	d.add(i, v)
	d.lock.Store(0)
}

// locked returns a distribution locked.
func (h *histogramData[N]) locked() *distribution[N] {
	d := &h.base
	if cells := h.spread.Load(); cells != nil {
		d = (*cells)[slot(len(*cells))]
	}
	if !d.lock.CompareAndSwap(0, 1) {
		d = h.acquire()
	}
	return d
}

// add adds a measurement of v, which belongs to bucket i. The caller has the lock.
func (d *distribution[N]) add(i int, v N) {
	d.counts[i]++
	d.sum += v
	if !d.measured {
		d.measured, d.min, d.max = true, v, v
	} else if v < d.min {
		d.min = v
	} else if v > d.max {
		d.max = v
	}
}

// spinLimit is how often acquire tries before it takes the holder of a lock for one that was preempted
// while holding it, and stops waiting for it.
const spinLimit = 64

// acquire returns a distribution locked, after the first choice was not to be had.
func (h *histogramData[N]) acquire() *distribution[N] {
	for tries := 1; ; tries++ {
		if cells := h.spread.Load(); cells != nil {
			if d := firstFree(*cells); d != nil {
				return d
			}
		} else if h.base.lock.CompareAndSwap(0, 1) {
			if h.misses.Add(1) >= missesToSpread {
				h.divide()
			}
			return &h.base
		} else if tries >= spinLimit {
			h.divide()
		}
		if tries%16 == 0 {
			runtime.Gosched()
		}
	}
}

// firstFree returns a distribution locked, nil if none is free. It looks at the caller's own first.
func firstFree[N number](cells []*distribution[N]) *distribution[N] {
	own := slot(len(cells))
	for i := range uintptr(len(cells)) {
		d := cells[(own+i)&uintptr(len(cells)-1)]
		if d.lock.CompareAndSwap(0, 1) {
			return d
		}
	}
	return nil
}

// divide gives the histogram its further distributions.
func (h *histogramData[N]) divide() {
	cells := make([]*distribution[N], cellCount())
	for i := range cells {
		cells[i] = newPadded[N](len(h.bounds) + 1)
	}
	h.spread.CompareAndSwap(nil, &cells)
}

// newPadded returns a distribution whose counts share no cache line with anything else.
func newPadded[N number](buckets int) *distribution[N] {
	const words = padding / 8
	type padded struct {
		distribution[N]
		_ [padding - unsafe.Sizeof(distribution[int64]{})%padding]byte
	}
	p := new(padded)
	p.counts = make([]uint64, (buckets+words-1)/words*words)[:buckets]
	return &p.distribution
}

// snapshot is what a collection sees of one histogram series.
type snapshot[N number] struct {
	measured bool
	sum      N
	min, max N
	count    uint64
	counts   []uint64
}

// read adds everything recorded so far to into, whose counts have the length of the buckets. Each
// measurement is in one distribution and is seen wholly or not at all.
func (h *histogramData[N]) read(into *snapshot[N]) {
	h.misses.Store(0)
	h.base.read(into)
	if cells := h.spread.Load(); cells != nil {
		for _, d := range *cells {
			d.read(into)
		}
	}
	for _, n := range into.counts {
		into.count += n
	}
}

func (d *distribution[N]) read(into *snapshot[N]) {
	for tries := 1; !d.lock.CompareAndSwap(0, 1); tries++ {
		if tries%16 == 0 {
			runtime.Gosched()
		}
	}
	for i, n := range d.counts {
		into.counts[i] += n
	}
	into.sum += d.sum
	if d.measured {
		into.widen(d.min, d.max)
	}
	d.lock.Store(0)
}

// widen extends the extremes. Like recording, it lets not-a-number stand only where it came first.
func (s *snapshot[N]) widen(low, high N) {
	if !s.measured {
		s.measured, s.min, s.max = true, low, high
		return
	}
	if low < s.min {
		s.min = low
	}
	if high > s.max {
		s.max = high
	}
}
