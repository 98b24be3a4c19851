// Package inprocess compares what HTTP middlewares add to a request, without a network.
package inprocess

import (
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/duotel/duotel/bench/internal/instrumented"
	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/round"
)

// slice is long enough for a few collections of garbage.
const slice = 40 * time.Millisecond

// Run measures the middlewares with tracing off, then with every request in a sampled span, then Duotel with
// either vocabulary, then in other routers beside the routers' own middlewares.
func Run(r *report.Report, rounds int) {
	r.Section("Middleware", "What is added to a bare mux with one route, in-process. Duotel and promhttp measure duration, both sizes and requests in flight; "+
		"otelhttp duration and both sizes; slok duration, response size and requests in flight; the middlewares of gin and echo, "+
		"which are compared with the bare router, duration, both sizes and a count.")
	untraced(r, rounds)
	traced(r, rounds)
	vocabularies(r, rounds)
	routers(r, rounds)
}

func untraced(r *report.Report, rounds int) {
	res := measure(instrumented.All(), rounds)
	table(r, "tracing off", res, instrumented.Duotel)
	added := func(peer string) round.Spread {
		return res.AddedRatio(instrumented.Duotel, peer, instrumented.Bare)
	}
	r.Target("middleware, added: duotel / slok", 1./2, added(instrumented.Slok))
	r.Target("middleware, added: duotel / promhttp's four", 1./4, added(instrumented.Promhttp))
	r.Target("middleware, added: duotel / otelhttp", 1./25, added(instrumented.OTelHTTP))
	more := res.Allocs(instrumented.Duotel) - res.Allocs(instrumented.Bare)
	if more < 0.2 { // one allocation serves eight requests
		more = 0
	}
	r.Target("middleware, allocations added", 0, round.Spread{Median: more, Min: more, Max: more})
}

func traced(r *report.Report, rounds int) {
	res := measure(instrumented.Traced(), rounds)
	table(r, "tracing on, every request sampled", res, instrumented.DuotelSpans)
	r.Target("middleware, tracing on: duotel / otelhttp with its meter on", 1.05,
		res.Ratio(instrumented.DuotelSpans, instrumented.OTelHTTPSpans))
}

// vocabularies compares whole requests: the classic names are made when metrics are collected.
func vocabularies(r *report.Report, rounds int) {
	res := measure(instrumented.Vocabularies(), rounds)
	table(r, "vocabularies", res, instrumented.Duotel)
	r.Target("middleware, a request: both vocabularies / semconv", 1.05, res.Ratio(instrumented.DuotelBoth, instrumented.Duotel))
}

// routers compares the routers' own middlewares with Duotel around the router, which is told the route.
func routers(r *report.Report, rounds int) {
	table(r, "inside a router: gin", measure(instrumented.Gin(), rounds), instrumented.DuotelGin)
	table(r, "inside a router: echo", measure(instrumented.Echo(), rounds), instrumented.DuotelEcho)
}

func measure(handlers []instrumented.Handler, rounds int) round.Result {
	var all []round.Contestant
	for _, h := range handlers {
		defer h.Close()
		all = append(all, round.Contestant{Name: h.Name, Run: server(h.HTTP)})
	}
	return round.Measure(round.Options{Rounds: rounds, Turns: 5, Slice: slice}, all)
}

// server gives h the same request again and again, as unrouted as a server's requests are.
func server(h http.Handler) func(int) {
	r := httptest.NewRequest(http.MethodGet, instrumented.Path, nil)
	w := &sink{header: http.Header{}}
	return func(n int) {
		for range n {
			r.Pattern = ""
			h.ServeHTTP(w, r)
		}
	}
}

// table compares with the first contestant, which is the bare one.
func table(r *report.Report, title string, res round.Result, ours string) {
	bare := res.Names()[0]
	var rows [][]string
	for _, name := range res.Names() {
		row := []string{name, report.Nanoseconds(res.Cost(name).Median), "", "", "", ""}
		if name != bare {
			row[2] = report.Nanoseconds(res.Added(name, bare).Median)
			row[3] = report.Ratio(res.AddedRatio(ours, name, bare))
			row[4] = report.Count(res.Allocs(name) - res.Allocs(bare))
			row[5] = report.Size(res.Bytes(name) - res.Bytes(bare))
		}
		rows = append(rows, row)
	}
	r.Table(title, []string{"", "CPU", "added", "duotel's added / this one's", "allocations added", "bytes added"}, rows)
}

// sink is a response nobody reads.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
