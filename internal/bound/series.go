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
	_ [8]byte // what a histogram puts behind the series is laid out for 64 bytes
}

// cell is a sum, or a last value: the bits of an int64, or of a float64 where N is that. A float64 is never kept
// as an integer, not even a whole one: there are whole ones, and sums of them, that no int64 holds.
type cell struct {
	bits atomic.Uint64
}

// count adds v to a sum that only grows.
func (s *series[N]) count(v N) {
	switch v := any(v).(type) {
	case int64:
		s.countInt(v)
	case float64:
		s.countFloat(v)
	}
}

// countInt is count where N is int64. That the sum is another one right after the addition is the sign of a
// collision: it costs less than finding out by failing, with compare and swap.
func (s *series[N]) countInt(n int64) {
	c, sp := s.own()
	if sum := c.bits.Add(uint64(n)); sum != c.bits.Load() {
		s.missed(sp)
	}
}

// countFloat is count where N is float64.
func (s *series[N]) countFloat(v float64) {
	c, sp := s.own()
	if !c.addFloat(v) {
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
	switch v := any(v).(type) {
	case int64:
		s.bits.Add(uint64(v))
	case float64:
		s.addFloat(v)
	}
}

// set keeps v as the last value.
func (s *series[N]) set(v N) {
	s.bits.Store(bitsOf(v))
}

// addFloat adds v and tells whether that went without colliding with another goroutine.
func (c *cell) addFloat(v float64) bool {
	for first := true; ; first = false {
		old := c.bits.Load()
		if c.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return first
		}
	}
}

// total returns the sum. Every part of it is read once, and no part of a growing sum shrinks, so one
// collection never shows less than the one before.
func (s *series[N]) total() N {
	sum := s.last()
	if sp := s.spread.Load(); sp != nil {
		for i := range sp.cells {
			sum += ofBits[N](sp.cells[i].bits.Load())
		}
		sp.misses.Store(0)
	}
	return sum
}

// last returns the last value set.
func (s *series[N]) last() N { return ofBits[N](s.bits.Load()) }

// bitsOf and ofBits carry a number of either type in a word.
func bitsOf[N number](v N) uint64 {
	if f, ok := any(v).(float64); ok {
		return math.Float64bits(f)
	}
	return uint64(v)
}

func ofBits[N number](bits uint64) N {
	if _, ok := any(N(0)).(float64); ok {
		return N(math.Float64frombits(bits))
	}
	return N(int64(bits))
}
