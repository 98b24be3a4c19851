package service

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
)

// app is what a service measures: something of every kind of instrument, and beside it callbacks and collectors that misbehave.
type app struct {
	life   *life
	meter  metric.Meter
	shards []metric.MeasurementOption

	requests metric.Int64Counter
	bound    []metric.Int64Counter
	work     metric.Float64Counter
	queue    metric.Int64UpDownCounter
	size     metric.Int64Histogram
	load     metric.Float64Histogram
	heat     metric.Float64Gauge
	churn    metric.Int64Counter
	odd      metric.Int64Counter
	wide     metric.Float64Histogram
	late     atomic.Pointer[metric.Int64Counter]
	legacy   prometheus.Counter
	handler  http.Handler

	ticks, height atomic.Int64
	identity      atomic.Int64 // of a series that churns
	unruly        atomic.Int64
}

var (
	sizeBounds = []float64{10, 20, 50}
	loadBounds = []float64{0.5, 1}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newApp(l *life) *app {
	a := &app{life: l, meter: l.sdk.MeterProvider().Meter("sim")}
	m := a.meter
	a.requests = must(m.Int64Counter("sim.requests"))
	a.work = must(m.Float64Counter("sim.work"))
	a.queue = must(m.Int64UpDownCounter("sim.queue"))
	a.size = must(m.Int64Histogram("sim.size", metric.WithExplicitBucketBoundaries(sizeBounds...)))
	a.load = must(m.Float64Histogram("sim.load", metric.WithExplicitBucketBoundaries(loadBounds...)))
	a.heat = must(m.Float64Gauge("sim.heat"))
	a.churn = must(m.Int64Counter("sim.churn"))
	a.odd = must(m.Int64Counter("sim.odd"))
	a.wide = must(m.Float64Histogram("sim.wide"))
	for shard := range l.plan.shards {
		set := attribute.NewSet(attribute.Int("shard", shard))
		a.shards = append(a.shards, metric.WithAttributeSet(set))
		if binder, ok := a.requests.(x.Int64CounterBinder); ok {
			a.bound = append(a.bound, binder.Bind(set.ToSlice()...))
		}
	}
	must(m.Int64ObservableCounter("sim.ticks", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(a.ticks.Load())
		return nil
	})))
	a.legacy = prometheus.NewCounter(prometheus.CounterOpts{Name: "sim_legacy_total", Help: "Counted with client_golang."})
	l.sdk.Registerer().MustRegister(a.legacy)
	for _, name := range []string{"sim_ticks", "sim_legacy"} { // there from the start, at nought
		l.world.truth.mark(a.cell(name, -1, "value"), func(*tally) {})
	}
	a.misbehave()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", a.serve)
	a.handler = l.sdk.Middleware(mux)
	return a
}

// misbehave makes the callbacks and collectors that the world's faults ask for. What they observe is in nobody's truth but for its start times.
func (a *app) misbehave() {
	p := a.life.plan
	callback := func(name string, f func() error) {
		must(a.meter.Int64ObservableCounter(name, metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(a.unruly.Add(1))
			return f()
		})))
	}
	if p.has("callback-slow") {
		callback("unruly.slow", func() error { time.Sleep(slowest); return nil })
	}
	if p.has("callback-fails") {
		callback("unruly.failing", func() error { return errors.New("no database") })
	}
	if p.has("callback-panics") {
		callback("unruly.panicking", func() error {
			if a.unruly.Load()%3 == 0 {
				panic("index out of range")
			}
			return nil
		})
	}
	if p.has("falls") {
		a.life.world.truth.mark(a.cell("sim_height", -1, "value"), func(t *tally) { t.loose = true })
		must(a.meter.Int64ObservableCounter("sim.height", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(a.height.Load())
			return nil
		})))
	}
	if p.has("collector-fails") {
		a.life.sdk.Registerer().MustRegister(collector(func(out chan<- prometheus.Metric) {
			out <- prometheus.NewInvalidMetric(prometheus.NewDesc("unruly_failing", "h", nil, nil), errors.New("no database"))
		}))
	}
	if p.has("collector-panics") {
		a.life.sdk.Registerer().MustRegister(collector(func(chan<- prometheus.Metric) {
			if a.unruly.Add(1)%2 == 0 {
				panic("index out of range")
			}
		}))
	}
}

// slowest is how long a slow callback takes.
const slowest = 100 * time.Millisecond

type collector func(chan<- prometheus.Metric)

func (collector) Describe(chan<- *prometheus.Desc)       {}
func (c collector) Collect(out chan<- prometheus.Metric) { c(out) }

// cell names a cell of this life; shard -1 is none.
func (a *app) cell(metric string, shard int, part string) cell {
	attributes := map[string]string{}
	if shard >= 0 {
		attributes["shard"] = fmt.Sprint(shard)
	}
	return cell{a.life.id, seriesName(metric, attributes), part}
}

// measure makes one random measurement. The truth knows of it first.
func (a *app) measure(ctx context.Context, rng *rand.Rand) {
	shard := rng.IntN(len(a.shards))
	at, truth := a.shards[shard], a.life.world.truth
	switch rng.IntN(11) {
	case 0, 1:
		n := rng.Int64N(9)
		truth.add(a.cell("sim_requests", shard, "value"), float64(n))
		if rng.IntN(2) == 0 && len(a.bound) > 0 {
			a.bound[shard].Add(ctx, n)
		} else {
			a.requests.Add(ctx, n, at)
		}
	case 2:
		n := float64(rng.IntN(9)) / 4
		truth.add(a.cell("sim_work", shard, "value"), n)
		a.work.Add(ctx, n, at)
	case 3:
		n := rng.Int64N(9) - 4
		truth.mark(a.cell("sim_queue", shard, "value"), func(t *tally) { t.swings = true })
		truth.add(a.cell("sim_queue", shard, "value"), float64(n))
		a.queue.Add(ctx, n, at)
	case 4:
		n := rng.Int64N(60)
		a.observe("sim_size", shard, float64(n), sizeBounds)
		a.size.Record(ctx, n, at)
	case 5:
		n := float64(rng.IntN(8)) / 4
		a.observe("sim_load", shard, n, loadBounds)
		a.load.Record(ctx, n, at)
	case 6:
		n := float64(rng.IntN(100))
		truth.set(a.cell("sim_heat", shard, "value"), n)
		a.heat.Record(ctx, n, at)
	case 7:
		n := rng.Int64N(3)
		truth.add(a.cell("sim_ticks", -1, "value"), float64(n))
		a.ticks.Add(n)
	case 8:
		truth.add(a.cell("sim_legacy", -1, "value"), 1)
		a.legacy.Inc()
	case 9:
		a.rare(ctx, rng)
	case 10:
		if a.life.plan.has("requests") {
			a.request(rng)
		}
	}
}

// observe takes note of a measurement of a histogram.
func (a *app) observe(metric string, shard int, v float64, bounds []float64) {
	truth := a.life.world.truth
	truth.add(a.cell(metric, shard, "count"), 1)
	truth.add(a.cell(metric, shard, "sum"), v)
	if a.life.plan.exponential {
		return
	}
	i := 0
	for i < len(bounds) && v > bounds[i] {
		i++
	}
	for b := range len(bounds) + 1 {
		truth.add(a.cell(metric, shard, bucket(b)), float64(map[bool]int{true: 1}[b == i]))
	}
}

// rare makes a measurement that only some worlds have.
func (a *app) rare(ctx context.Context, rng *rand.Rand) {
	truth := a.life.world.truth
	if a.life.plan.has("churn") {
		c := a.cell("sim_churn", -1, "value")
		truth.mark(c, func(t *tally) { t.anyOf = true })
		truth.add(c, 1)
		a.churn.Add(ctx, 1, metric.WithAttributes(attribute.Int64("identity", a.identity.Add(1))))
	}
	if a.life.plan.has("odd-series") {
		truth.add(a.cell("sim_odd", -1, "value"), 1)
		a.odd.Add(ctx, 1, metric.WithAttributes(attribute.String("", "a key no label can be made of"), attribute.String("_", "\xff")))
		truth.add(a.cell("sim_wide", -1, "count"), 1)
		a.wide.Record(ctx, math.Ldexp(1, rng.IntN(2000)-1000)) // too wide for a fine scale
	}
	if a.life.plan.has("falls") && rng.IntN(4) == 0 {
		a.height.Store(rng.Int64N(1000))
	} else {
		a.height.Add(rng.Int64N(5))
	}
	if a.life.plan.has("late-instruments") {
		late := a.late.Load()
		if late == nil {
			made := must(a.meter.Int64Counter("sim.late"))
			late = &made
			a.late.Store(late)
		}
		truth.add(a.cell("sim_late", -1, "value"), 1)
		(*late).Add(ctx, 1)
	}
}

// request has the middleware measure a request with one of the endings of docs/http.md.
func (a *app) request(rng *rand.Rand) {
	ending := []string{"200", "404", "503", "panic", "abort", "503 panic"}[rng.IntN(6)]
	r := httptest.NewRequest(http.MethodGet, "/items/7?ending="+http.CanonicalHeaderKey(ending[:1]), nil)
	r.Header.Set("Ending", ending)
	defer func() { _ = recover() }() // as the server does
	a.handler.ServeHTTP(httptest.NewRecorder(), r)
}

// serve is the handler. It tells the truth of its own end, as the documents have it.
func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	status, failed, end := "200", "", func() {}
	switch r.Header.Get("Ending") {
	case "404":
		status, end = "404", func() { w.WriteHeader(http.StatusNotFound) }
	case "503":
		status, failed, end = "503", "503", func() { w.WriteHeader(http.StatusServiceUnavailable) }
	case "panic":
		status, failed, end = "500", "panic", func() { panic("boom") }
	case "abort":
		status, failed, end = "", "aborted", func() { panic(http.ErrAbortHandler) }
	case "503 panic":
		status, failed, end = "503", "503", func() { w.WriteHeader(http.StatusServiceUnavailable); panic("boom") }
	}
	series := seriesName("http_server_request_duration", map[string]string{"http_route": "/items/{id}", "http_response_status_code": status, "error_type": failed})
	a.life.world.truth.add(cell{a.life.id, series, "count"}, 1)
	end()
}
