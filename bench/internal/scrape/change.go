package scrape

import (
	"fmt"
	"time"

	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/round"
)

// changing bounds a comparison of pages of n series that change.
func changing(n, rounds int) round.Options {
	o := options(n, rounds)
	if n > 10_000 {
		o.Rounds = 1
	}
	return o
}

// maxUnregistered is the greatest page of which VictoriaMetrics replaces a tenth in less than many seconds: it
// looks for each counter to unregister in a list of all.
const maxUnregistered = 10_000

// replacing compares pages a tenth of whose counters is replaced before every scrape.
func replacing(r *report.Report, n, rounds int) {
	ours, a := newDuotel(duotel)
	a.change = replaceCounters(ours, n)
	stock, b := newOfficial(official)
	b.change = replaceCounters(stock, n)
	pages := []page{a, b, newPrometheus(client, counters, n)}
	if n <= maxUnregistered {
		pages = append(pages, newVictoria(victoria, counters, n))
	}
	res := compare(pages, changed, changing(n, rounds))
	table(r, fmt.Sprintf("%d counters, a tenth of them replaced before every scrape (replacing included: "+
		"by an observable counter's callback where it is OpenTelemetry, by deleting and creating children elsewhere)", n), res, pages)
	closeAll(pages)
}

// arriving compares pages that get new histograms before every scrape. Every turn is one scrape, so that
// all pages of a turn have the same number of series, however long each takes.
func arriving(r *report.Report, n, rounds int) {
	ours, a := newDuotel(duotel)
	a.change = addHistograms(ours, n)
	stock, b := newOfficial(official)
	b.change = addHistograms(stock, n)
	pages := []page{a, b, newPrometheus(client, histograms, n), newVictoria(victoria, histograms, n)}
	o := changing(n, rounds)
	o.Slice = time.Nanosecond
	if n >= 10_000 {
		o.Turns = 1
	}
	res := compare(pages, changed, o)
	last := n + n/10*(1+o.Rounds*max(1, o.Turns))
	table(r, fmt.Sprintf("%d histograms, a tenth as many new ones before every scrape (measuring them included), %d in the end: "+
		"none is replaced, because the OpenTelemetry SDK, and Duotel like it, keeps the series of a histogram for good", n, last), res, pages)
	closeAll(pages)
}

// unchanged and changed say whether the series of a page change before a scrape.
func unchanged(page) {}

func changed(p page) { p.change() }
