package middleware

import (
	"context"
	"fmt"
	"runtime"
	"sync"
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

// batches are those of a server. Active requests are counted when somebody looks.
type batches struct {
	on bool // there is somebody who says when

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
	s.batches.all = map[*batch]struct{}{}
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
	rec := &recorder{server: s}
	rec.moreFaces()
	if s.batches.on {
		rec.batch = &batch{server: s}
		runtime.AddCleanup(rec, (*batch).drop, rec.batch)
		s.batches.mu.Lock()
		defer s.batches.mu.Unlock()
		s.batches.all[rec.batch] = struct{}{}
	}
	return rec
}

// drop records the rest of a recorder that is no more.
func (b *batch) drop() {
	s := b.server
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
