package exporter_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/duotel/duotel/exporter"
)

const benchSeries = 100_000

// BenchmarkPushDelta collects, differences, encodes and posts 100,000 series, and the stock periodic
// reader with delta temporality does the same beside it.
func BenchmarkPushDelta(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	b.Run("stock", func(b *testing.B) {
		exp := must(otlpmetrichttp.New(b.Context(), otlpmetrichttp.WithEndpointURL(server.URL+"/v1/metrics"),
			otlpmetrichttp.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector)))
		reader := sdkmetric.NewPeriodicReader(exp, sdkmetric.WithInterval(time.Hour))
		provider := benchProvider(reader)
		defer func() { _ = provider.Shutdown(context.Background()) }()
		benchPush(b, provider.Meter("m"), provider.ForceFlush)
	})
	b.Run("duotel", func(b *testing.B) {
		source := exporter.NewSource(exporter.SourceConfig{})
		provider := benchProvider(source.Reader())
		p := must(exporter.NewPush(b.Context(), exporter.PushConfig{
			Endpoint: server.URL + "/v1/metrics", Temporality: exporter.TemporalityDelta, Interval: 10000 * time.Hour,
			Producers: []sdkmetric.Producer{source.Producer(nil)},
		}))
		defer func() { _ = p.Shutdown(context.Background()) }()
		benchPush(b, provider.Meter("m"), p.ForceFlush)
	})
}

func benchProvider(r sdkmetric.Reader) *sdkmetric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(r), sdkmetric.WithCardinalityLimit(0), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))
}

func benchPush(b *testing.B, meter metric.Meter, flush func(context.Context) error) {
	counter := must(meter.Int64Counter("counter"))
	series := make([]metric.AddOption, benchSeries)
	for i := range series {
		series[i] = metric.WithAttributeSet(attribute.NewSet(attribute.Int("id", i), attribute.String("route", "/items/{id}")))
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for _, s := range series {
			counter.Add(b.Context(), 1, s)
		}
		b.StartTimer()
		if err := flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
