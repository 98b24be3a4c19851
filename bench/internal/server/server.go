// Package server compares what whole servers cost per request, over real connections. The load comes
// from a process of its own, so that what is measured is the server's alone.
package server

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/duotel/duotel/bench/internal/instrumented"
	"github.com/duotel/duotel/bench/internal/report"
	"github.com/duotel/duotel/bench/internal/round"
)

const (
	requests    = 480 // of one server in one turn
	connections = 8
	turns       = 100 // in one round
)

// Run measures the servers in many short turns.
func Run(r *report.Report, rounds int) {
	r.Section("Server", fmt.Sprintf("CPU time of the server's process per request of a no-op endpoint over loopback, %d turns of %d requests on %d connections a round. "+
		"p99 is of the time between sending a request and having its answer.", turns, requests, connections))
	handlers := instrumented.All()
	addresses := make([]string, len(handlers))
	for i, h := range handlers {
		addr, stop := serve(h)
		defer h.Close()
		defer stop()
		addresses[i] = addr
	}
	cost, latency := measure(handlers, addresses, rounds)
	table(r, cost, latency)
	judge(r, cost, latency)
}

// serve starts a server of h.
func serve(h instrumented.Handler) (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("server: " + err.Error())
	}
	s := &http.Server{Handler: h.HTTP}
	done := make(chan struct{})
	go func() {
		defer close(done)
		round.Labeled(h.Name, func() { _ = s.Serve(l) })
	}()
	return l.Addr().String(), func() {
		_ = s.Close()
		<-done
	}
}

// measure returns CPU time per request, and the p99 of the requests' latency.
func measure(handlers []instrumented.Handler, addresses []string, rounds int) (cost, latency round.Result) {
	var names []string
	for _, h := range handlers {
		names = append(names, h.Name)
	}
	cost, latency = round.NewResult(names...), round.NewResult(names...)
	l := startLoad()
	defer l.stop()
	for _, addr := range addresses {
		l.run(addr) // connections and caches
	}
	for n := range rounds {
		p99 := make([][]float64, len(handlers))
		costs := round.Turns(n, turns, len(handlers), func(i int) round.Sample {
			runtime.GC()
			before := round.CPU()
			p99[i] = append(p99[i], float64(l.run(addresses[i])))
			return round.Sample{Cost: float64(round.CPU()-before) / requests}
		})
		for i, name := range names {
			cost.Add(name, costs[i])
			latency.Add(name, round.Sample{Cost: round.NewSpread(p99[i]).Median})
		}
	}
	return cost, latency
}

func table(r *report.Report, cost, latency round.Result) {
	var rows [][]string
	for _, name := range cost.Names() {
		rows = append(rows, []string{
			name, report.Nanoseconds(cost.Cost(name).Median), report.Ratio(cost.Ratio(name, instrumented.Bare)),
			report.Nanoseconds(cost.Added(name, instrumented.Bare).Median), report.Nanoseconds(latency.Cost(name).Median),
			report.Nanoseconds(latency.Added(name, instrumented.Bare).Median),
		})
	}
	r.Table("", []string{"", "CPU per request", "this / bare", "added", "p99", "p99 beyond bare's"}, rows)
}

func judge(r *report.Report, cost, latency round.Result) {
	ours, bare, theirs := instrumented.Duotel, instrumented.Bare, instrumented.OTelHTTP
	r.Target("server, CPU per request: duotel / bare", 1.03, cost.Ratio(ours, bare))
	r.Target("server, added: duotel / otelhttp", 1./5, cost.AddedRatio(ours, theirs, bare))
	beyond := latency.Added(ours, bare)
	ms := float64(time.Millisecond)
	r.Target("server, p99 beyond bare's, milliseconds", 1, round.Spread{Median: beyond.Median / ms, Min: beyond.Min / ms, Max: beyond.Max / ms})
}
