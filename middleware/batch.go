package middleware

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// deferrer is a meter that says when it is going to be collected. Until then what was measured may wait.
type deferrer interface {
	// Defer has settle called around every collection until it returns false. It reports whether measurements
	// may wait for that.
	Defer(settle func() (again bool)) bool
}

// batchSize is how many requests of one recorder wait at most. Recording sixteen in a row costs little more
// than recording two far apart, because code and series are in the cache but for the first.
const batchSize = 16

// ended is a request that has ended.
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
		b.ended = new([batchSize]ended)
	}
	return &b.ended[b.state.Load()>>levelBits%batchSize]
}

// add notes that the request was served, and has next recorded later.
func (b *batch) add() {
	n := b.state.Load()>>levelBits + 1
	b.state.Store(n << levelBits)
	if n%batchSize == 0 { // always here, so that next is free
		b.record()
		b.server.report()
	}
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
	durations                   []float64
	requestSizes, responseSizes []int64
}

var groups = sync.Pool{New: func() any { return new(group) }}

// record records all of waiting, series by series, and empties it.
func (g *group) record(s *server, waiting []ended) {
	for left := uint(1)<<len(waiting) - 1; left != 0; {
		first := &waiting[bits.TrailingZeros(left)]
		g.durations, g.requestSizes, g.responseSizes = g.durations[:0], g.requestSizes[:0], g.responseSizes[:0]
		for i := range waiting {
			if e := &waiting[i]; left&(1<<i) != 0 && e.kind == first.kind {
				left &^= 1 << i
				g.durations = append(g.durations, e.duration.Seconds())
				g.requestSizes = append(g.requestSizes, e.requestSize)
				g.responseSizes = append(g.responseSizes, e.responseSize)
			}
		}
		s.attempt(func() { s.routeOf(&first.kind).recordAll(first.key, g) })
	}
	for i := range waiting {
		waiting[i].name = "" // it may be the application's
	}
}

// batches are those of a server. Active requests are counted when somebody looks.
type batches struct {
	on   bool // there is somebody who says when
	drop func(*batch)

	mu  sync.Mutex
	all map[*batch]struct{}

	settling sync.Mutex // excludes others who settle, and nobody else
	seen     []*batch
	active   [levelCount]int64 // as recorded
}

// waitFor lets measurements wait where the meter is a deferrer. The meter does not keep s: the batches that are
// left do.
func (s *server) waitFor(meter metric.Meter) {
	d, ok := meter.(deferrer)
	if !ok {
		return
	}
	s.batches.all, s.batches.drop = map[*batch]struct{}{}, s.dropBatch
	ref := weak.Make(s)
	s.batches.on = d.Defer(func() bool {
		s := ref.Value()
		if s != nil {
			s.settle()
		}
		return s != nil
	})
}

// newRecorder returns a recorder, with a batch where measurements may wait.
func (s *server) newRecorder() *recorder {
	rec := new(recorder)
	if s.batches.on {
		rec.batch = &batch{server: s}
		runtime.AddCleanup(rec, s.batches.drop, rec.batch)
		s.batches.mu.Lock()
		defer s.batches.mu.Unlock()
		s.batches.all[rec.batch] = struct{}{}
	}
	return rec
}

// dropBatch records the rest of a recorder that is no more.
func (s *server) dropBatch(b *batch) {
	b.record()
	s.batches.mu.Lock()
	delete(s.batches.all, b)
	last := len(s.batches.all) == 0
	s.batches.mu.Unlock()
	if last { // nobody may be there to do it any more
		s.settleAll()
	}
}

// settle records everything that waits, and how many requests are active.
func (s *server) settle() {
	s.settleAll()
	s.report()
}

func (s *server) settleAll() {
	l := &s.batches
	l.settling.Lock()
	defer l.settling.Unlock()
	l.mu.Lock()
	for b := range l.all {
		l.seen = append(l.seen, b)
	}
	l.mu.Unlock()
	defer func() {
		clear(l.seen)
		l.seen = l.seen[:0]
	}()
	s.settleActive()
	for _, b := range l.seen {
		b.record()
	}
}

// settleActive counts active requests in one go, because between looking at one batch and at the next a client
// can end its request and begin another.
func (s *server) settleActive() {
	l := &s.batches
	var active [levelCount]int64
	for _, b := range l.seen {
		if level := b.active(); level > 0 {
			active[level-1]++
		}
	}
	for i, n := range active {
		if n != l.active[i] {
			s.attempt(func() {
				s.levels[i].requests.add(context.Background(), n-l.active[i])
				l.active[i] = n
			})
		}
	}
}

// attempt keeps a panic of somebody else's code, such as a view's filter, to the measurement that it is about.
// report is to be called some time after.
func (s *server) attempt(record func()) {
	defer func() {
		if p := recover(); p != nil {
			lost := p // of which there is none, and no allocation, but here
			s.lost.CompareAndSwap(nil, &lost)
		}
	}()
	record()
}

// report reports the first panic, once. The caller has no lock that collecting needs, because the error handler
// may do that.
func (s *server) report() {
	if p := s.lost.Load(); p != nil && s.reported.CompareAndSwap(false, true) {
		otel.Handle(fmt.Errorf("middleware: a measurement was lost, because recording it panicked: %v", *p))
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
