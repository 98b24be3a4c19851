// Package scrape compares what a page of /metrics costs.
package scrape

import (
	"fmt"
	"runtime"
	"time"

	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/round"
)

const (
	duotel   = "duotel"
	traced   = "duotel, tracing on"
	official = "official exporter + promhttp"
	client   = "client_golang + promhttp"
	victoria = "VictoriaMetrics/metrics"
)

const slice = 10 * time.Millisecond

// Run measures scrapes of steady and changing pages.
func Run(r *report.Report, rounds int) {
	r.Section("Scrape", "CPU time of one page as text 0.0.4, uncompressed, into a writer that discards it. Every page also has the Go and process metrics. "+
		"VictoriaMetrics' histograms have their own buckets (`vmrange`, not cumulative), as many of them filled.")
	for _, k := range []kind{counters, histograms} {
		for _, n := range []int{1_000, 10_000, 100_000} {
			steady(r, k, n, rounds)
		}
		growth(r, k, rounds)
	}
	for _, n := range []int{1_000, 10_000, 100_000} {
		replacing(r, n, rounds)
	}
	for _, n := range []int{1_000, 10_000, 100_000} {
		arriving(r, n, rounds)
	}
}

// steady compares pages whose series stay.
func steady(r *report.Report, k kind, n, rounds int) {
	pages := filled(k, n)
	if n == 10_000 {
		provider, p := newDuotelTraced(traced)
		fill(provider, k, n)
		pages = append(pages, p)
	}
	res := compare(pages, unchanged, options(n, rounds))
	table(r, fmt.Sprintf("%d %s, steady", n, k), res, pages)
	if n == 10_000 {
		judge(r, k, res)
	}
	closeAll(pages)
}

// filled is every contestant with n series.
func filled(k kind, n int) []page {
	ours, a := newDuotel(duotel)
	fill(ours, k, n)
	stock, b := newOfficial(official)
	fill(stock, k, n)
	return []page{a, b, newPrometheus(client, k, n), newVictoria(victoria, k, n)}
}

func judge(r *report.Report, k kind, res round.Result) {
	limit := map[kind]float64{counters: 1. / 40, histograms: 1. / 20}[k]
	r.Target(fmt.Sprintf("scrape, 10,000 %s: duotel / official", k), limit, res.Ratio(duotel, official))
	r.Target(fmt.Sprintf("scrape, 10,000 %s: duotel / client_golang", k), 1./8, res.Ratio(duotel, client))
	r.Target(fmt.Sprintf("scrape, 10,000 %s: duotel / VictoriaMetrics", k), 1.2, res.Ratio(duotel, victoria))
	r.Target(fmt.Sprintf("scrape, 10,000 %s: tracing on / off", k), 1.3, res.Ratio(traced, duotel))
}

// growth compares ten times the series with once, both Duotel's.
func growth(r *report.Report, k kind, rounds int) {
	var pages []page
	for _, n := range []int{1_000, 10_000, 100_000} {
		provider, p := newDuotel(fmt.Sprintf("%d series", n))
		fill(provider, k, n)
		pages = append(pages, p)
	}
	res := compare(pages, unchanged, options(10_000, rounds))
	one, ten, hundred := pages[0].name, pages[1].name, pages[2].name
	r.Target(fmt.Sprintf("scrape, %s: 100,000 / 10,000 series", k), 11, res.Ratio(hundred, ten))
	// The pages of 1,000 and of 100,000 may differ by a few allocations for buffers, not by one a series.
	more := (res.Allocs(hundred) - res.Allocs(one)) / 99_000
	r.Target(fmt.Sprintf("scrape, %s: allocations per additional series", k), 0.001, round.Spread{Median: more, Min: more, Max: more})
	closeAll(pages)
}

// options bound a comparison of pages of n series.
func options(n, rounds int) round.Options {
	if n > 10_000 {
		return round.Options{Rounds: min(rounds, 2), Slice: slice} // seconds each
	}
	return round.Options{Rounds: rounds, Turns: 3, Slice: slice}
}

func compare(pages []page, before func(page), o round.Options) round.Result {
	var all []round.Contestant
	for _, p := range pages {
		all = append(all, round.Contestant{Name: p.name, Run: func(n int) {
			for range n {
				before(p)
				p.scrape()
			}
		}})
	}
	return round.Measure(o, all)
}

func table(r *report.Report, title string, res round.Result, pages []page) {
	var rows [][]string
	for _, p := range pages {
		rows = append(rows, []string{
			p.name, report.Nanoseconds(res.Cost(p.name).Median),
			report.Ratio(res.Ratio(duotel, p.name)),
			report.Count(res.Allocs(p.name)), report.Size(res.Bytes(p.name)), report.Size(float64(p.scrape())),
		})
	}
	r.Table(title, []string{"", "CPU", "duotel / this", "allocations", "allocated", "page"}, rows)
}

func closeAll(pages []page) {
	for _, p := range pages {
		p.close()
	}
	runtime.GC()
}
