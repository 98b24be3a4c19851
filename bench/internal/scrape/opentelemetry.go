package scrape

import (
	"context"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/duotel/duotel/telemetry"
)

// page is one contestant: something with series in it that can be scraped.
type page struct {
	name   string
	scrape func() int
	// change is what happens to the series of a changing page before a scrape: a tenth of the counters is
	// exchanged for others, or a tenth of the first histograms is added.
	change func()
	close  func()
}

// newDuotel returns a provider and the page that shows it, pull only.
func newDuotel(name string, opts ...telemetry.Option) (metric.MeterProvider, page) {
	ctx := context.Background()
	opts = append(opts, telemetry.WithLogger(quiet()))
	s := must(telemetry.New(ctx, telemetry.Config{ServiceName: "bench", CardinalityLimit: -1}, opts...))
	return s.MeterProvider(), page{name: name, scrape: scraper(s.MetricsHandler()), close: func() { _ = s.Shutdown(ctx) }}
}

// newDuotelTraced is the same for a service with tracing on, none of whose spans is sampled here.
func newDuotelTraced(name string) (metric.MeterProvider, page) {
	return newDuotel(name, telemetry.WithTracerProvider(sdktrace.NewTracerProvider()))
}

// newOfficial is the SDK with the official exporter behind promhttp, with default options.
func newOfficial(name string) (metric.MeterProvider, page) {
	registry := runtimeRegistry()
	exporter := must(otelprom.New(otelprom.WithRegisterer(registry)))
	p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithCardinalityLimit(0))
	h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
	return p, page{name: name, scrape: scraper(h), close: func() { _ = p.Shutdown(context.Background()) }}
}

// fill measures n series of kind k.
func fill(p metric.MeterProvider, k kind, n int) {
	if k == histograms {
		addHistograms(p, n)
		return
	}
	ctx := context.Background()
	c := must(p.Meter("bench").Int64Counter("bench.requests", metric.WithDescription("Requests.")))
	for i := range n {
		c.Add(ctx, int64(i), metric.WithAttributeSet(attributes(i)))
	}
}

// addHistograms measures n series of a histogram, and a tenth as many with every call of the function returned.
func addHistograms(p metric.MeterProvider, n int) (add func()) {
	ctx := context.Background()
	h := must(p.Meter("bench").Float64Histogram("bench.duration", metric.WithDescription("Durations."),
		metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...)))
	return adding(n, func(i int) {
		set := metric.WithAttributeSet(attributes(i))
		for _, v := range values {
			h.Record(ctx, v, set)
		}
	})
}

// replaceCounters registers a counter whose n series move on by a tenth with every call of the function returned.
func replaceCounters(p metric.MeterProvider, n int) (replace func()) {
	ring := make([]metric.ObserveOption, 2*n)
	for i := range ring {
		ring[i] = metric.WithAttributeSet(attributes(i))
	}
	first := 0
	must(p.Meter("bench").Int64ObservableCounter("bench.requests", metric.WithDescription("Requests."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for i := range n {
				o.Observe(int64(i), ring[(first+i)%len(ring)])
			}
			return nil
		})))
	return func() { first = (first + n/10) % len(ring) }
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("scrape: " + err.Error())
	}
	return v
}
