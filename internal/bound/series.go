package bound

import (
	"math"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// number is what an instrument measures.
type number interface{ int64 | float64 }

// series is the aggregate of one attribute set. It is one cache line (64 bytes) on 64-bit machines; what
// a histogram needs beyond that, and what contention makes necessary, is behind pointers.
type series[N number] struct {
	attrs   attribute.Set
	sampler atomic.Pointer[sampler]
	hist    *histogramData[N]
	spread  atomic.Pointer[spread]
	cell
}

// cell is a sum in two parts, so that adding a whole number is one instruction whatever N is. A last
// value is kept, as its bits, in whole.
type cell struct {
	whole    atomic.Int64
	fraction atomic.Uint64
}

// countWhole is count for whole numbers. That the sum is another one right after the addition is the sign
// of a collision: it costs less than finding out by failing, with compare and swap.
func (s *series[N]) countWhole(n int64) {
	c, sp := s.own()
	if sum := c.whole.Add(n); sum != c.whole.Load() {
		s.missed(sp)
	}
}

// count adds v to a sum that only grows.
func (s *series[N]) count(v N) {
	if i := int64(v); N(i) == v {
		s.countWhole(i)
		return
	}
	c, sp := s.own()
	if !c.addFraction(float64(v)) {
		s.missed(sp)
	}
}

// own returns the calling goroutine's cell, and the state of the sum that says so.
func (s *series[N]) own() (*cell, *spread) {
	sp := s.spread.Load()
	if sp == nil || len(sp.cells) == 0 {
		return &s.cell, sp
	}
	return &sp.cells[slot(len(sp.cells))].cell, sp
}

// shift adds v to a sum that also shrinks. Such a sum keeps to one cell: a collection that read +1 too late
// in one cell and -1 in time in another would show fewer than none.
func (s *series[N]) shift(v N) {
	if i := int64(v); N(i) == v {
		s.whole.Add(i)
	} else {
		s.addFraction(float64(v))
	}
}

// set keeps v as the last value.
func (s *series[N]) set(v N) {
	s.whole.Store(bitsOf(v))
}

// addFraction adds v and tells whether that went without colliding with another goroutine.
func (c *cell) addFraction(v float64) bool {
	for first := true; ; first = false {
		old := c.fraction.Load()
		if c.fraction.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return first
		}
	}
}

// total returns the sum. Every part of it is read once, and no part of a growing sum shrinks, so one
// collection never shows less than the one before.
func (s *series[N]) total() N {
	whole, fraction := s.load()
	if sp := s.spread.Load(); sp != nil {
		for i := range sp.cells {
			w, f := sp.cells[i].load()
			whole, fraction = whole+w, fraction+f
		}
		sp.misses.Store(0)
	}
	return N(fraction) + N(whole)
}

func (c *cell) load() (whole int64, fraction float64) {
	fraction = math.Float64frombits(c.fraction.Load())
	return c.whole.Load(), fraction
}

// last returns the last value set.
func (s *series[N]) last() N { return ofBits[N](s.whole.Load()) }

// bitsOf and ofBits carry a number of either type in a word.
func bitsOf[N number](v N) int64 {
	if f, ok := any(v).(float64); ok {
		return int64(math.Float64bits(f))
	}
	return int64(v)
}

func ofBits[N number](bits int64) N {
	if _, ok := any(N(0)).(float64); ok {
		return N(math.Float64frombits(uint64(bits)))
	}
	return N(bits)
}
