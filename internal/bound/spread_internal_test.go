package bound

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// collide makes s believe in so many collisions.
func collide[N number](s *series[N], n int) {
	for range n {
		s.missed(s.spread.Load())
	}
}

func TestSumSpreadsAfterCollisions(t *testing.T) {
	s := new(series[float64])
	collide(s, missesToSpread)
	if sp := s.spread.Load(); len(sp.cells) != 0 {
		t.Fatalf("%d cells after %d collisions", len(sp.cells), missesToSpread)
	}
	s.total() // a collection: what came before is forgotten
	collide(s, missesToSpread-1)
	if sp := s.spread.Load(); len(sp.cells) != 0 {
		t.Fatal("collisions before a collection count after it")
	}
	collide(s, 1)
	if sp := s.spread.Load(); len(sp.cells) != cellCount() {
		t.Fatalf("%d cells, want %d", len(sp.cells), cellCount())
	}
	s.count(1)
	s.count(.5)
	if s.bits.Load() != 0 || s.total() != 1.5 {
		t.Fatalf("a spread sum of %v still uses its first cell", s.total())
	}
}

// spreadNow collides until s spreads: every collection in between makes it forget.
func spreadNow[N number](s *series[N]) {
	for sp := s.spread.Load(); sp == nil || len(sp.cells) == 0; sp = s.spread.Load() {
		collide(s, missesToSpread)
	}
}

// TestConcurrentSafeSpreadSum adds while the sum spreads: nothing is lost and the total never shrinks.
func TestConcurrentSafeSpreadSum(t *testing.T) {
	const goroutines, additions = 6, 10000
	s := new(series[float64])
	s.count(.5)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range additions {
				s.count(float64(1+i%2) / 2)
				if g == 0 && i == additions/2 {
					spreadNow(s)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	const want = .5 + goroutines*additions*.75
	for before, last := 0., false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		got := s.total()
		if got < before || last && got != want {
			t.Fatalf("total %v after %v, want %v in the end", got, before, want)
		}
		before = got
	}
	if len(s.spread.Load().cells) == 0 {
		t.Fatal("did not spread")
	}
}

func histogramOf(bounds ...float64) *histogramData[int64] {
	b := newBuckets(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: bounds}, false)
	return newHistogramSeries[int64](b).hist
}

func (h *histogramData[N]) snapshot() snapshot[N] {
	s := snapshot[N]{counts: make([]uint64, len(h.bounds)+1)}
	h.read(&s)
	return s
}

// TestRecordDoesNotWaitForAHeldLock stands for a goroutine that was preempted inside a measurement.
func TestRecordDoesNotWaitForAHeldLock(t *testing.T) {
	h := histogramOf(10)
	h.record(1)
	h.base.lock.Store(1)
	h.record(20)
	h.record(5)
	h.base.lock.Store(0)
	s := h.snapshot()
	if s.count != 3 || s.sum != 26 || s.min != 1 || s.max != 20 || s.counts[0] != 2 || s.counts[1] != 1 {
		t.Fatalf("%+v", s)
	}
	if h.spread.Load() == nil {
		t.Fatal("did not spread")
	}
}

// TestRecordTakesAnyFreeDistribution holds all but one of a spread histogram.
func TestRecordTakesAnyFreeDistribution(t *testing.T) {
	h := histogramOf(10)
	h.divide()
	cells := *h.spread.Load()
	for _, d := range cells[1:] {
		d.lock.Store(1)
	}
	h.record(7)
	for _, d := range cells[1:] {
		d.lock.Store(0)
	}
	if s := h.snapshot(); s.count != 1 || cells[0].sum != 7 {
		t.Fatalf("%+v", s)
	}
}

// TestConcurrentSafeSpreadHistogram records while the histogram spreads.
func TestConcurrentSafeSpreadHistogram(t *testing.T) {
	const goroutines, records = 6, 10000
	h := histogramOf(2, 4)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range records {
				h.record(3)
				if g == 0 && i == records/2 {
					h.divide()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for before, last := uint64(0), false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		s := h.snapshot()
		if s.count < before || s.sum != 3*int64(s.count) || s.counts[1] != s.count || last && s.count != goroutines*records {
			t.Fatalf("%+v after a count of %d", s, before)
		}
		before = s.count
	}
}

func TestHistogramSpreadsAfterCollisions(t *testing.T) {
	h := histogramOf(10)
	h.acquire().lock.Store(0)
	h.snapshot() // a collection: what came before is forgotten
	for i := range missesToSpread {
		if h.spread.Load() != nil {
			t.Fatalf("spread after %d collisions", i)
		}
		h.acquire().lock.Store(0)
	}
	if h.spread.Load() == nil {
		t.Fatalf("not spread after %d collisions", missesToSpread)
	}
}

func TestCellCount(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for threads, want := range map[int]int{1: 4, 2: 8, 3: 16, 8: 32, 64: 32} {
		runtime.GOMAXPROCS(threads)
		if got := cellCount(); got != want {
			t.Errorf("%d cells for %d threads, want %d", got, threads, want)
		}
	}
}

func TestTableFindsWhatWasAdded(t *testing.T) {
	var tb table[int64]
	tb.init()
	key := func(i int) attribute.Distinct {
		set := attribute.NewSet(attribute.Int("i", i))
		return set.Equivalent()
	}
	for i := range 5000 {
		if tb.get(key(i)) != nil {
			t.Fatalf("found %d before it was added", i)
		}
		tb.add(key(i), &series[int64]{})
	}
	for i := range 5000 {
		if tb.get(key(i)) != tb.all[i] {
			t.Fatalf("did not find %d", i)
		}
	}
}

func TestBucketIndex(t *testing.T) {
	for _, n := range []int{0, 1, 15, linearBounds, linearBounds + 1, 200} {
		var b bounds
		for i := range n {
			b = append(b, float64(2*i))
		}
		for v := -1.; v <= float64(2*n+1); v += .5 {
			want := 0
			for want < n && v > b[want] {
				want++
			}
			if got := b.index(v); got != want {
				t.Fatalf("%d bounds: index(%v) = %d, want %d", n, v, got, want)
			}
		}
	}
}

// TestLayout pins what the comment at histogramSeries promises, on machines with words of 64 bits.
func TestLayout(t *testing.T) {
	const line = 64
	var small smallHistogramSeries[float64]
	var common commonHistogramSeries[int64]
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return
	}
	lock := unsafe.Offsetof(small.data) + unsafe.Offsetof(small.data.base) + unsafe.Offsetof(small.data.base.lock)
	if s, c := unsafe.Sizeof(small), unsafe.Sizeof(common); s != 256 || c != 320 || lock%line != 0 {
		t.Errorf("%d and %d bytes, what is written begins at %d", s, c, lock)
	}
	if fourth := unsafe.Offsetof(small.counts) + 4*8; fourth != lock+line {
		t.Errorf("four counts end at %d, the lock's line at %d", fourth, lock+line)
	}
}
