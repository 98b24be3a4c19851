package bound

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// A series spreads over several cells when goroutines collided on it missesToSpread times between two
// collections. A collision costs tens of nanoseconds, so a series that collides less often than that
// loses next to nothing, and a program keeps its memory for the series that need it.
const missesToSpread = 1000

const (
	// cellsPerThread makes it unlikely that two goroutines that run at once share a cell.
	cellsPerThread = 4
	// maxCells bounds the memory of one series: 32 cells of 128 bytes for a sum.
	maxCells = 32
	// padding is two cache lines, because the adjacent one is prefetched.
	padding = 128
)

// spread is the state of a sum that has seen collisions: how many, and the further cells once there are.
type spread struct {
	misses atomic.Int64
	cells  []paddedCell
}

type paddedCell struct {
	cell
	_ [padding - unsafe.Sizeof(cell{})]byte
}

// missed counts a collision, and gives the sum its further cells when there were too many.
func (s *series[N]) missed(sp *spread) {
	switch {
	case sp == nil:
		s.spread.CompareAndSwap(nil, new(spread))
	case len(sp.cells) == 0 && sp.misses.Add(1) >= missesToSpread:
		s.spread.CompareAndSwap(sp, &spread{cells: make([]paddedCell, cellCount())})
	}
}

// cellCount returns how many cells a spread series gets: a power of two.
func cellCount() int {
	n := min(cellsPerThread*runtime.GOMAXPROCS(0), maxCells)
	return 1 << bits.Len(uint(n-1))
}

// slot returns the cell of n, a power of two, that the calling goroutine keeps to. Goroutines are told
// apart by where their stacks are: Go offers no cheaper sign. Any answer is right; a goroutine whose
// stack moves takes another cell.
func slot(n int) uintptr {
	var here byte
	at := uint64(uintptr(unsafe.Pointer(&here))) >> 12
	return uintptr(at*0x9E3779B97F4A7C15>>32) & uintptr(n-1)
}
