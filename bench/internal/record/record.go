// Package record compares what one measurement costs.
package record

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/round"
)

const (
	bound        = "duotel, bound"
	cached       = "duotel, cached set"
	inline       = "duotel, inline attributes"
	stockCached  = "stock SDK, cached set"
	stockInline  = "stock SDK, inline attributes"
	child        = "client_golang, curried child"
	vec          = "client_golang, vec"
	victoria     = "VictoriaMetrics, pointer"
	victoriaName = "VictoriaMetrics, by name"
)

// Goroutines need longer turns, to be at work at the same time.
const (
	sliceAlone  = 2 * time.Millisecond
	sliceShared = 20 * time.Millisecond
	turnsAlone  = 11
	turnsShared = 3
)

// attrs is what an HTTP server puts on a request.
var attrs = []attribute.KeyValue{
	attribute.String("http.request.method", "GET"),
	attribute.String("http.route", "/items/{id}"),
	attribute.Int("http.response.status_code", 200),
	attribute.String("url.scheme", "http"),
	attribute.String("network.protocol.version", "1.1"),
}

var bounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// latencies end in different buckets, like real ones.
var latencies = [8]float64{.0031, .0042, .0008, .021, .013, .0061, .31, .0049}

// ctx is the context of every measurement: no span in it.
var ctx = context.Background()

// subject is one way to make a measurement; run makes n of them.
type subject struct {
	name string
	run  func(n int)
}

// Run measures counters and histograms, alone and contended, and what a second exit costs.
func Run(r *report.Report, rounds int) {
	r.Section("Record", "CPU time of one measurement; all goroutines measure the same series.")
	ours, closeOurs := newDuotel(false)
	defer closeOurs()
	stock, closeStock := newStock(false)
	defer closeStock()
	for _, k := range []struct {
		name     string
		subjects []subject
	}{
		{"counter", append(counters(ours, stock), nativeCounters()...)},
		{"histogram", append(histograms(ours, stock), nativeHistograms()...)},
	} {
		for _, goroutines := range []int{1, 2 * runtime.GOMAXPROCS(0)} {
			compare(r, k.name, k.subjects, goroutines, rounds)
		}
	}
	exits(r, rounds)
}

func compare(r *report.Report, kind string, subjects []subject, goroutines, rounds int) {
	res := measure(subjects, goroutines, rounds)
	label := fmt.Sprintf("%s, %s", kind, plural(goroutines))
	r.Table(label, []string{"", "CPU", "this / stock cached", "this / client_golang child", "allocations"},
		rows(res, stockCached, child))
	if !has(subjects, bound) {
		r.Unmeasured("record, "+label+": bound / stock cached", "not offered")
		return
	}
	r.Target("record, "+label+": bound / stock cached", 0.1, res.Ratio(bound, stockCached))
	r.Target("record, "+label+": bound / client_golang child", 1.5, res.Ratio(bound, child))
	r.Target("record, "+label+": allocations of bound", 0, flat(res.Allocs(bound)))
}

func measure(subjects []subject, goroutines, rounds int) round.Result {
	var all []round.Contestant
	for _, s := range subjects {
		all = append(all, round.Contestant{Name: s.name, Run: func(n int) { share(s.run, n, goroutines) }})
	}
	slice, turns := sliceAlone, turnsAlone
	if goroutines > 1 {
		slice, turns = sliceShared, turnsShared
	}
	return round.Measure(round.Options{Rounds: rounds, Turns: turns, Slice: slice}, all)
}

// share does n pieces of work on so many goroutines at once.
func share(run func(int), n, goroutines int) {
	if goroutines == 1 {
		run(n)
		return
	}
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() { run((n + i) / goroutines) })
	}
	wg.Wait()
}

func rows(res round.Result, bases ...string) [][]string {
	var out [][]string
	for _, name := range res.Names() {
		row := []string{name, report.Nanoseconds(res.Cost(name).Median)}
		for _, b := range bases {
			row = append(row, report.Ratio(res.Ratio(name, b)))
		}
		// A few allocations in millions of measurements are the comparison's own.
		row = append(row, report.Count(flat(res.Allocs(name)).Median))
		out = append(out, row)
	}
	return out
}

// flat is an allocation count without what the comparison itself allocates once.
func flat(allocs float64) round.Spread {
	if allocs < 0.01 {
		allocs = 0
	}
	return round.Spread{Median: allocs, Min: allocs, Max: allocs}
}

func has(subjects []subject, name string) bool {
	for _, s := range subjects {
		if s.name == name {
			return true
		}
	}
	return false
}

func plural(goroutines int) string {
	if goroutines == 1 {
		return "1 goroutine"
	}
	return fmt.Sprintf("%d goroutines", goroutines)
}
