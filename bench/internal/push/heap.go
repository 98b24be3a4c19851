package push

import (
	"runtime/metrics"
	"time"
)

// watchHeap looks at the heap every millisecond until it is stopped, which returns by how many bytes it
// was larger than at the start, at most.
func watchHeap() (stop func() uint64) {
	base := heap()
	peak := base
	ticker := time.NewTicker(time.Millisecond)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ticker.C:
				peak = max(peak, heap())
			case <-quit:
				return
			}
		}
	}()
	return func() uint64 {
		ticker.Stop()
		close(quit)
		<-done
		return max(peak, heap()) - base
	}
}

// heap is what objects occupy, live or not yet swept.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
