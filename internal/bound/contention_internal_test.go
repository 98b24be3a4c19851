package bound

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// hammer lets goroutines call f at once.
func hammer(goroutines, calls int, f func()) {
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range calls {
				f()
			}
		})
	}
	wg.Wait()
}

// TestConcurrentSafeShift: a sum that also shrinks loses nothing either.
func TestConcurrentSafeShift(t *testing.T) {
	const goroutines, calls = 4, 200_000
	s := new(series[float64])
	hammer(goroutines, calls, func() { s.shift(2); s.shift(-1); s.shift(.5) })
	if got := s.total(); got != goroutines*calls*1.5 {
		t.Fatalf("total %v, want %v", got, goroutines*calls*1.5)
	}
}

// TestConcurrentSafeContentionSpreads: goroutines that do run at once are noticed, by every kind of sum.
func TestConcurrentSafeContentionSpreads(t *testing.T) {
	if runtime.NumCPU() == 1 {
		return // nothing ever runs at once
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for name, v := range map[string]float64{"whole": 1, "fraction": .5} {
		s, total := new(series[float64]), 0.
		spread := func() bool { sp := s.spread.Load(); return sp != nil && len(sp.cells) > 0 }
		for deadline := time.Now().Add(5 * time.Minute); !spread(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: five minutes of contention went unnoticed", name)
			}
			hammer(4, 100_000, func() { s.count(v) })
			total += 400_000 * v
		}
		if got := s.total(); got != total {
			t.Errorf("%s: total %v, want %v", name, got, total)
		}
	}
}
