package record

import (
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"

	"github.com/duotel/duotel/bench/internal/report"
)

const (
	oneExit   = "duotel, pull"
	twoExits  = "duotel, pull and push"
	oneBound  = "duotel bound, pull"
	twoBound  = "duotel bound, pull and push"
	oneReader = "stock SDK, pull"
	twoReader = "stock SDK, pull and push"
)

// exits compares the same measurement with and without the push exit.
func exits(r *report.Report, rounds int) {
	var subjects []subject
	offered := true
	for _, e := range []struct {
		name, bound string
		open        func(push bool) (metric.MeterProvider, func())
		push        bool
	}{
		{oneExit, oneBound, newDuotel, false},
		{twoExits, twoBound, newDuotel, true},
		{oneReader, "", newStock, false},
		{twoReader, "", newStock, true},
	} {
		p, done := e.open(e.push)
		defer done()
		h := histogram(p)
		subjects = append(subjects, subject{e.name, recordCached(h)})
		if e.bound == "" {
			continue
		}
		if b, ok := h.(x.Float64HistogramBinder); ok {
			subjects = append(subjects, subject{e.bound, recordBound(b)})
		} else {
			offered = false
		}
	}
	res := measure(subjects, 1, rounds)
	r.Table("histogram, 1 goroutine, with a second exit", []string{"", "CPU", "this / stock SDK, pull", "allocations"}, rows(res, oneReader))
	r.Target("record, cached: duotel pull and push / pull", 1.05, res.Ratio(twoExits, oneExit))
	if offered {
		r.Target("record, bound: duotel pull and push / pull", 1.05, res.Ratio(twoBound, oneBound))
	}
	r.Target("record, cached: duotel pull and push / stock pull", 1, res.Ratio(twoExits, oneReader))
}
