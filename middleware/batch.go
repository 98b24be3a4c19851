package middleware

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// batchSize is how many requests of one recorder wait at most. Recording sixteen in a row costs little more
// than recording two far apart, because code and series are in the cache but for the first.
const batchSize = 16

// ended is a request that has ended. What was recorded stays until it is overwritten.
type ended struct {
	kind
	duration                  time.Duration
	requestSize, responseSize int64
	_                         uint64 // a cache line is full
}

// kind is what requests of one series have in common.
type kind struct {
	name string // the pattern of the mux that matched it, or its route where told
	key  seriesKey
	told bool
	root bool // the path is "/"
}

// is reports whether k is known to be the same as other. Equal names are mostly one string; where they are two, it
// only costs a little time.
func (k *kind) is(other *kind) bool {
	return k.key == other.key && unsafe.StringData(k.name) == unsafe.StringData(other.name) && len(k.name) == len(other.name) &&
		k.told == other.told && k.root == other.root
}

// batch is what a recorder keeps of the requests it has served, and of the one it serves. Its recorder's
// request writes it, and waits for nobody but at the last entry; whoever collects reads it.
type batch struct {
	// state is how many requests were added so far, times 256, plus the level of the one that is being served,
	// counted from 1. In one word it says of every request either that it is active or that it has ended.
	state  atomic.Uint64
	ended  *[batchSize]ended // nil until there is one; it is there when state says so
	server *server

	mu    sync.Mutex // for recording
	taken uint64     // how many were recorded
	_     [24]byte   // a cache line is full
}

const levelBits = 8

// begin notes that a request of a level is being served.
func (b *batch) begin(level uint8) {
	b.state.Store(b.state.Load() | uint64(level) + 1)
}

// end notes that the request was served, and is recorded otherwise.
func (b *batch) end() {
	b.state.Store(b.state.Load() >> levelBits << levelBits)
}

// next returns what is to be filled before add.
func (b *batch) next() *ended {
	if b.ended == nil {
		b.allocate()
	}
	return &b.ended[b.state.Load()>>levelBits%batchSize]
}

//go:noinline
func (b *batch) allocate() { b.ended = new([batchSize]ended) }

// add notes that the request was served, and has next recorded later.
func (b *batch) add() {
	n := b.state.Load()>>levelBits + 1
	b.state.Store(n << levelBits)
	if n%batchSize == 0 { // always here, so that next is free
		b.full()
	}
}

func (b *batch) full() {
	b.record()
	b.server.report()
}

// active returns the level of the request that is being served, counted from 1, or 0.
func (b *batch) active() uint8 { return uint8(b.state.Load()) }

// record records what waits.
func (b *batch) record() {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, first := b.state.Load()>>levelBits, b.taken%batchSize
	if n == b.taken {
		return
	}
	waiting := b.ended[first : first+n-b.taken]
	b.taken = n
	g := groups.Get().(*group)
	g.record(b.server, waiting)
	groups.Put(g)
}

// group is the measurements of one series.
type group struct {
	durations                   [batchSize]float64
	requestSizes, responseSizes [batchSize]int64
}

var groups = sync.Pool{New: func() any { return new(group) }}

// record records all of waiting, series by series.
func (g *group) record(s *server, waiting []ended) {
	for left := uint32(1)<<len(waiting) - 1; left != 0; {
		n, first := 0, &waiting[bits.TrailingZeros32(left)].kind
		for i := range waiting {
			e, bit := &waiting[i], uint32(1)<<(i%batchSize)
			if left&bit == 0 || !e.is(first) {
				continue
			}
			left &^= bit
			g.durations[n%batchSize] = seconds(e.duration)
			g.requestSizes[n%batchSize] = e.requestSize
			g.responseSizes[n%batchSize] = e.responseSize
			n++
		}
		s.attempt(func() { s.routeOf(first).recordAll(first.key, g, n) })
	}
}

// routeOf is the route of a request that one router matched, or whose route was told.
func (s *server) routeOf(e *kind) *route {
	if e.told {
		return s.route(orUnmatched(e.name, e.root))
	}
	if one, ok := s.patterns.get(e.name); ok {
		return one
	}
	one := s.route(orUnmatched(pathOf(e.name), e.root))
	if one.name != UnmatchedRoute && one.name != "/" { // a catch-all is told from unmatched by the path
		s.patterns.put(e.name, one)
	}
	return one
}
