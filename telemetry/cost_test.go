package telemetry_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/duotel/duotel/telemetry"
)

const costSeries = 10_000

// costRig is a provider and how to use its exits once.
type costRig struct {
	provider metric.MeterProvider
	exits    func(testing.TB)
}

// newCostRig is Duotel, with the push exit where endpoint is set.
func newCostRig(tb testing.TB, endpoint string) costRig {
	tb.Helper()
	sdk, err := telemetry.New(context.Background(), telemetry.Config{
		ServiceName: "cost", CardinalityLimit: -1, Push: telemetry.PushConfig{Endpoint: endpoint, Interval: never},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = sdk.Shutdown(context.Background()) })
	return costRig{sdk.MeterProvider(), func(tb testing.TB) {
		scrape(sdk.MetricsHandler())
		if err := sdk.ForceFlush(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}}
}

// newTwoReaderRig is the usual way to have two exits: two readers on one provider.
func newTwoReaderRig(tb testing.TB, endpoint string) costRig {
	tb.Helper()
	registry := prometheus.NewRegistry()
	pull, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		tb.Fatal(err)
	}
	exp, err := otlpmetrichttp.New(context.Background(), otlpmetrichttp.WithEndpointURL(endpoint))
	if err != nil {
		tb.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(pull), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exp)),
		sdkmetric.WithCardinalityLimit(0), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	)
	tb.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return costRig{provider, func(tb testing.TB) {
		if _, err := registry.Gather(); err != nil {
			tb.Fatal(err)
		}
		if err := provider.ForceFlush(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}}
}

func costHistogram(tb testing.TB, r costRig) metric.Float64Histogram {
	tb.Helper()
	h, err := r.provider.Meter("app").Float64Histogram("latency", metric.WithUnit("s"))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// heapOf returns the bytes that 10,000 histogram series take in r, after its exits were used.
func heapOf(t *testing.T, r costRig) uint64 {
	t.Helper()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	h := costHistogram(t, r)
	r.exits(t)
	before := heap()
	for i := range costSeries {
		h.Record(context.Background(), float64(i), metric.WithAttributeSet(attribute.NewSet(attribute.Int("i", i))))
	}
	r.exits(t)
	return heap() - before
}

// TestOneAggregationOneHeap shows that the push exit holds no second copy of the series.
func TestOneAggregationOneHeap(t *testing.T) {
	url := newSink(t)
	alone := heapOf(t, newCostRig(t, ""))
	both := heapOf(t, newCostRig(t, url))
	stock := heapOf(t, newTwoReaderRig(t, url))
	t.Logf("heap of %d histogram series: pull alone %d KiB, with push %.2f of it, two readers %.2f", costSeries, alone>>10, float64(both)/float64(alone), float64(stock)/float64(alone))
	if both > alone+alone/10 {
		t.Errorf("with push on, %d series take %d bytes; pull alone takes %d", costSeries, both, alone)
	}
}

// newSink is a backend that takes everything and keeps nothing, so that the heap is the sender's.
func newSink(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	tb.Cleanup(server.Close)
	return server.URL + "/v1/metrics"
}

// BenchmarkRecord compares, in one run, recording with pull alone, with push on, and with the usual
// two readers.
func BenchmarkRecord(b *testing.B) {
	url := newSink(b)
	for _, c := range []struct {
		name string
		rig  costRig
	}{
		{"pull", newCostRig(b, "")},
		{"pull+push", newCostRig(b, url)},
		{"two-readers", newTwoReaderRig(b, url)},
	} {
		h := costHistogram(b, c.rig)
		opt := metric.WithAttributeSet(attribute.NewSet(attribute.String("route", "/items/{id}"), attribute.Int("status", 200)))
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Record(context.Background(), 0.1, opt)
			}
		})
	}
}
