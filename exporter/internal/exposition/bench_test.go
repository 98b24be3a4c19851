package exposition

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

var benchBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// fill makes n series of a counter or a histogram, as an HTTP service would have them.
func fill(tb testing.TB, provider metric.MeterProvider, n int, histogram bool) {
	meter := provider.Meter("github.com/acme/shop", metric.WithInstrumentationVersion("1.2.3"))
	counter, err := meter.Int64Counter("http.server.requests", metric.WithDescription("Requests served."))
	if err != nil {
		tb.Fatal(err)
	}
	duration, err := meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of requests."), metric.WithExplicitBucketBoundaries(benchBuckets...))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		set := metric.WithAttributeSet(attribute.NewSet(
			attribute.String("http.request.method", [...]string{"GET", "POST", "PUT", "DELETE"}[i%4]),
			attribute.String("http.route", fmt.Sprintf("/api/v1/items/%d/{id}", i/4)),
			attribute.Int("http.response.status_code", 200+i%3),
			attribute.String("network.protocol.version", "1.1"),
		))
		if histogram {
			for k := range 20 {
				duration.Record(context.Background(), 0.003*float64(1+i%97)*float64(k+1), set)
			}
			continue
		}
		counter.Add(context.Background(), int64(i)*7919+1, set)
	}
}

func newProvider(reader sdkmetric.Reader) *sdkmetric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(-1),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
		sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))))
}

func collected(tb testing.TB, n int, histogram bool) Input {
	reader := sdkmetric.NewManualReader()
	fill(tb, newProvider(reader), n, histogram)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		tb.Fatal(err)
	}
	return Input{Resource: rm.Resource, Scopes: rm.ScopeMetrics}
}

func benchmarkEncode(b *testing.B, n int, histogram bool, f Format) {
	in := collected(b, n, histogram)
	e, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	r, err := e.Encode(io.Discard, f, in)
	if err != nil || r.Series != n+1 {
		b.Fatal(r, err)
	}
	b.SetBytes(r.Bytes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(io.Discard, f, in); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkScrape is collection and encoding together, which is what the official path does.
func benchmarkScrape(b *testing.B, n int, histogram bool, f Format) {
	reader := sdkmetric.NewManualReader()
	fill(b, newProvider(reader), n, histogram)
	e, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	var rm metricdata.ResourceMetrics
	b.ReportAllocs()
	for b.Loop() {
		if err := reader.Collect(context.Background(), &rm); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Encode(io.Discard, f, Input{Resource: rm.Resource, Scopes: rm.ScopeMetrics}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkOfficial(b *testing.B, n int, histogram bool, accept string) {
	registry := prometheus.NewRegistry()
	reader, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		b.Fatal(err)
	}
	fill(b, newProvider(reader), n, histogram)
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(discard{}, request)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func BenchmarkEncodeCounters10k(b *testing.B)  { benchmarkEncode(b, 10_000, false, Format{}) }
func BenchmarkEncodeCounters100k(b *testing.B) { benchmarkEncode(b, 100_000, false, Format{}) }
func BenchmarkEncodeCountersOpenMetrics10k(b *testing.B) {
	benchmarkEncode(b, 10_000, false, Format{OpenMetrics: true, Created: true})
}
func BenchmarkEncodeHistograms10k(b *testing.B) { benchmarkEncode(b, 10_000, true, Format{}) }
func BenchmarkEncodeHistogramsOpenMetrics10k(b *testing.B) {
	benchmarkEncode(b, 10_000, true, Format{OpenMetrics: true, Created: true})
}
func BenchmarkScrapeCounters10k(b *testing.B)     { benchmarkScrape(b, 10_000, false, Format{}) }
func BenchmarkScrapeHistograms10k(b *testing.B)   { benchmarkScrape(b, 10_000, true, Format{}) }
func BenchmarkOfficialCounters10k(b *testing.B)   { benchmarkOfficial(b, 10_000, false, "") }
func BenchmarkOfficialHistograms10k(b *testing.B) { benchmarkOfficial(b, 10_000, true, "") }

func BenchmarkScrapeProtobufCounters10k(b *testing.B) {
	benchmarkScrape(b, 10_000, false, Format{Protobuf: true})
}

func BenchmarkScrapeProtobufHistograms10k(b *testing.B) {
	benchmarkScrape(b, 10_000, true, Format{Protobuf: true})
}

func BenchmarkOfficialProtobufCounters10k(b *testing.B) {
	benchmarkOfficial(b, 10_000, false, protobuf)
}

func BenchmarkOfficialProtobufHistograms10k(b *testing.B) {
	benchmarkOfficial(b, 10_000, true, protobuf)
}

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
