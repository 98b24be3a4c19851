package record

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/telemetry"
)

// newBackend accepts every push.
func newBackend() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
}

// newDuotel returns Duotel's provider, with the pull exit and, where push is true, the push exit.
func newDuotel(push bool) (metric.MeterProvider, func()) {
	cfg := telemetry.Config{ServiceName: "bench"}
	backend := newBackend()
	if push {
		cfg.Push.Endpoint = backend.URL + "/v1/metrics"
	}
	s := must(telemetry.New(ctx, cfg, telemetry.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))))
	return s.MeterProvider(), func() {
		_ = s.Shutdown(ctx)
		backend.Close()
	}
}

// newStock returns the SDK with the official Prometheus exporter and, where push is true, a second
// reader for OTLP.
func newStock(push bool) (metric.MeterProvider, func()) {
	backend := newBackend()
	opts := []sdkmetric.Option{sdkmetric.WithReader(must(otelprom.New(otelprom.WithRegisterer(prometheus.NewRegistry()))))}
	if push {
		exporter := must(otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(backend.URL+"/v1/metrics")))
		opts = append(opts, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	}
	p := sdkmetric.NewMeterProvider(opts...)
	return p, func() {
		_ = p.Shutdown(context.Background())
		backend.Close()
	}
}

func counter(p metric.MeterProvider) metric.Int64Counter {
	return must(p.Meter("bench").Int64Counter("bench.requests"))
}

func histogram(p metric.MeterProvider) metric.Float64Histogram {
	return must(p.Meter("bench").Float64Histogram("bench.duration", metric.WithExplicitBucketBoundaries(bounds...)))
}

// counters are the ways to add to a counter of OpenTelemetry's.
func counters(ours, stock metric.MeterProvider) []subject {
	d, s := counter(ours), counter(stock)
	all := []subject{
		{cached, addCached(d)},
		{inline, addInline(d)},
		{stockCached, addCached(s)},
		{stockInline, addInline(s)},
	}
	if b, ok := d.(x.Int64CounterBinder); ok {
		all = append([]subject{{bound, addBound(b)}}, all...)
	}
	return all
}

func addBound(b x.Int64CounterBinder) func(int) {
	c := b.Bind(attrs...)
	return func(n int) {
		for range n {
			c.Add(ctx, 1)
		}
	}
}

func addCached(c metric.Int64Counter) func(int) {
	opts := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	return func(n int) {
		for range n {
			c.Add(ctx, 1, opts...)
		}
	}
}

func addInline(c metric.Int64Counter) func(int) {
	return func(n int) {
		for range n {
			c.Add(ctx, 1, metric.WithAttributes(attrs...))
		}
	}
}

// histograms are the ways to record on a histogram of OpenTelemetry's.
func histograms(ours, stock metric.MeterProvider) []subject {
	d, s := histogram(ours), histogram(stock)
	all := []subject{
		{cached, recordCached(d)},
		{inline, recordInline(d)},
		{stockCached, recordCached(s)},
		{stockInline, recordInline(s)},
	}
	if b, ok := d.(x.Float64HistogramBinder); ok {
		all = append([]subject{{bound, recordBound(b)}}, all...)
	}
	return all
}

func recordBound(b x.Float64HistogramBinder) func(int) {
	h := b.Bind(attrs...)
	return func(n int) {
		for i := range n {
			h.Record(ctx, latencies[i&7])
		}
	}
}

func recordCached(h metric.Float64Histogram) func(int) {
	opts := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	return func(n int) {
		for i := range n {
			h.Record(ctx, latencies[i&7], opts...)
		}
	}
}

func recordInline(h metric.Float64Histogram) func(int) {
	return func(n int) {
		for i := range n {
			h.Record(ctx, latencies[i&7], metric.WithAttributes(attrs...))
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("record: " + err.Error())
	}
	return v
}
