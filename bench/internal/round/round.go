// Package round compares pieces of work on a machine that is busy with other things. In every round each
// contestant does a short, fixed amount of work, in turns; what is compared is the ratio within a round, and
// what is shown is the median of those ratios with the least and the greatest. The cost is the
// process's CPU time, so that waiting for a busy core does not count.
package round

import (
	"cmp"
	"context"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Contestant is one way to do the work.
type Contestant struct {
	Name string
	// Run does the work n times.
	Run func(n int)
}

// Sample is the cost of doing the work once.
type Sample struct {
	Cost   float64 // nanoseconds, of CPU time unless the table says otherwise
	Allocs float64
	Bytes  float64 // allocated
}

// Options bound a comparison.
type Options struct {
	// Rounds is how often every contestant is measured.
	Rounds int
	// Turns is how often it is in each round; the median of the turns is the round's. Default 1.
	Turns int
	// Slice is about the CPU time of one turn, unless the work done once takes longer.
	Slice time.Duration
}

// Measure runs the comparison. The contestants take turns in an order that is another one each time, and
// nobody pays for another's garbage. It must not run beside anything else in the process.
func Measure(o Options, contestants []Contestant) Result {
	r := Result{samples: make([][]Sample, len(contestants))}
	repeats := make([]int, len(contestants))
	for i, c := range contestants {
		r.names = append(r.names, c.Name)
		repeats[i] = calibrate(c, o.Slice)
	}
	for n := range o.Rounds {
		r.add(Turns(n, max(1, o.Turns), len(contestants), func(i int) Sample { return measure(contestants[i], repeats[i]) }))
	}
	return r
}

// Turns measures every contestant n times, each time in a random order, which is the same in every run: who
// always came after the same contestant would inherit its caches. The first contestant is the yardstick: what is
// returned for it is its median, and for another one the median of its ratios to the yardstick in the same
// turn, times that. A machine's good and bad moments are longer than a turn.
func Turns(round, n, contestants int, measure func(i int) Sample) []Sample {
	all := make([][]Sample, contestants)
	for turn := range n {
		for _, i := range rand.New(rand.NewPCG(uint64(round), uint64(turn))).Perm(contestants) {
			all[i] = append(all[i], measure(i))
		}
	}
	medians := make([]Sample, contestants)
	for i := range all {
		medians[i] = all[i][median(n, func(turn int) float64 { return all[i][turn].Cost })]
	}
	for i := range all {
		ratio := func(turn int) float64 { return all[i][turn].Cost / all[0][turn].Cost }
		medians[i].Cost = ratio(median(n, ratio)) * medians[0].Cost
	}
	return medians
}

// median returns which of n values is the median.
func median(n int, value func(i int) float64) int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(value(a), value(b)) })
	return order[n/2]
}

// calibrate returns how often c has to do its work to last for slice. The first measurement fills
// caches; of the others the least counts, because what else the process does is in them too.
func calibrate(c Contestant, slice time.Duration) int {
	if once := measure(c, 1).Cost; once > 10*float64(slice) {
		return 1
	}
	for n := 1; ; n *= 4 {
		cost := min(measure(c, n).Cost, measure(c, n).Cost, measure(c, n).Cost)
		if cost*float64(n) >= float64(slice/4) {
			return max(1, int(float64(slice)/cost))
		}
	}
}

func measure(c Contestant, n int) Sample {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := CPU()
	Labeled(c.Name, func() { c.Run(n) })
	spent := CPU() - start
	runtime.ReadMemStats(&after)
	times := float64(n)
	return Sample{
		Cost:   float64(spent) / times,
		Allocs: float64(after.Mallocs-before.Mallocs) / times,
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / times,
	}
}

// CPU is what the process has spent so far, in user and system mode, on all threads.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("round: getrusage: " + err.Error()) // RUSAGE_SELF cannot fail on a system that has it
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Labeled runs f under a profiler label, which goroutines that f starts inherit: what one contestant
// does can be told from the rest with `go tool pprof -tagfocus contestant=name`. The label has no commas,
// because pprof would take what is on both sides of them for two expressions.
func Labeled(contestant string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("contestant", strings.ReplaceAll(contestant, ",", "")), func(context.Context) { f() })
}
