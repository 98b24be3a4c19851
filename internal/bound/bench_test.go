package bound_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/bound"
)

// benchAttrs is what an HTTP server puts on a request.
var benchAttrs = []attribute.KeyValue{
	attribute.String("http.request.method", "GET"),
	attribute.String("http.route", "/items/{id}"),
	attribute.Int("http.response.status_code", 200),
	attribute.String("url.scheme", "http"),
	attribute.String("network.protocol.version", "1.1"),
}

var latencyBounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// latencies are values that end in different buckets, like real ones.
var latencies = [8]float64{.0031, .0042, .0008, .021, .013, .0061, .31, .0049}

func benchMeters(b *testing.B) (ours, sdk metric.Meter) {
	b.Helper()
	opts := []sdkmetric.Option{sdkmetric.WithReader(sdkmetric.NewManualReader()), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter)}
	inner := sdkmetric.NewMeterProvider(opts...)
	stock := sdkmetric.NewMeterProvider(opts...)
	return bound.NewProvider(bound.Config{Inner: inner}).Meter("bench"), stock.Meter("bench")
}

// promChild returns a curried child with the same labels.
func promLabels() (names []string, values []string) {
	for _, kv := range benchAttrs {
		names = append(names, fmt.Sprint("l", len(names)))
		values = append(values, kv.Value.String())
	}
	return names, values
}

// inOneRun measures f with one goroutine, and with two for each thread.
func inOneRun(b *testing.B, name string, f func(i int)) {
	b.Helper()
	b.Run(name+"/goroutines=1", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f(i)
		}
	})
	b.Run(fmt.Sprintf("%s/goroutines=%d", name, 2*runtime.GOMAXPROCS(0)), func(b *testing.B) {
		b.SetParallelism(2)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				f(i)
			}
		})
	})
}

func BenchmarkCounterAdd(b *testing.B) {
	ctx := context.Background()
	ours, sdk := benchMeters(b)
	c, _ := ours.Int64Counter("c")
	bc := c.(x.Int64CounterBinder).Bind(benchAttrs...)
	sc, _ := sdk.Int64Counter("c")
	cached := metric.WithAttributeSet(attribute.NewSet(benchAttrs...))
	names, values := promLabels()
	pc := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c"}, names).WithLabelValues(values...)

	inOneRun(b, "bound", func(int) { bc.Add(ctx, 1) })
	inOneRun(b, "client_golang", func(int) { pc.Add(1) })
	inOneRun(b, "unbound", func(int) { c.Add(ctx, 1, cached) })
	inOneRun(b, "sdk", func(int) { sc.Add(ctx, 1, cached) })
}

func BenchmarkFloatCounterAdd(b *testing.B) {
	ctx := context.Background()
	ours, sdk := benchMeters(b)
	c, _ := ours.Float64Counter("c")
	bc := c.(x.Float64CounterBinder).Bind(benchAttrs...)
	sc, _ := sdk.Float64Counter("c")
	cached := metric.WithAttributeSet(attribute.NewSet(benchAttrs...))
	names, values := promLabels()
	pc := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c"}, names).WithLabelValues(values...)

	inOneRun(b, "bound", func(i int) { bc.Add(ctx, latencies[i&7]) })
	inOneRun(b, "client_golang", func(i int) { pc.Add(latencies[i&7]) })
	inOneRun(b, "sdk", func(i int) { sc.Add(ctx, latencies[i&7], cached) })
}

func BenchmarkUpDownCounterAdd(b *testing.B) {
	ctx := context.Background()
	ours, sdk := benchMeters(b)
	c, _ := ours.Int64UpDownCounter("c")
	bc := c.(x.Int64UpDownCounterBinder).Bind(benchAttrs...)
	sc, _ := sdk.Int64UpDownCounter("c")
	cached := metric.WithAttributeSet(attribute.NewSet(benchAttrs...))
	names, values := promLabels()
	pc := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "c"}, names).WithLabelValues(values...)

	inOneRun(b, "bound", func(i int) { bc.Add(ctx, int64(1-i&1*2)) })
	inOneRun(b, "client_golang", func(i int) { pc.Add(float64(1 - i&1*2)) })
	inOneRun(b, "sdk", func(i int) { sc.Add(ctx, int64(1-i&1*2), cached) })
}

func BenchmarkGaugeRecord(b *testing.B) {
	ctx := context.Background()
	ours, sdk := benchMeters(b)
	g, _ := ours.Float64Gauge("g")
	bg := g.(x.Float64GaugeBinder).Bind(benchAttrs...)
	sg, _ := sdk.Float64Gauge("g")
	cached := metric.WithAttributeSet(attribute.NewSet(benchAttrs...))
	names, values := promLabels()
	pg := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, names).WithLabelValues(values...)

	inOneRun(b, "bound", func(i int) { bg.Record(ctx, latencies[i&7]) })
	inOneRun(b, "client_golang", func(i int) { pg.Set(latencies[i&7]) })
	inOneRun(b, "sdk", func(i int) { sg.Record(ctx, latencies[i&7], cached) })
}

func BenchmarkHistogramRecord(b *testing.B) {
	ctx := context.Background()
	ours, sdk := benchMeters(b)
	bounds := metric.WithExplicitBucketBoundaries(latencyBounds...)
	h, _ := ours.Float64Histogram("h", bounds)
	bh := h.(x.Float64HistogramBinder).Bind(benchAttrs...)
	sh, _ := sdk.Float64Histogram("h", bounds)
	cached := metric.WithAttributeSet(attribute.NewSet(benchAttrs...))
	names, values := promLabels()
	ph := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "h", Buckets: latencyBounds}, names).WithLabelValues(values...)

	inOneRun(b, "bound", func(i int) { bh.Record(ctx, latencies[i&7]) })
	inOneRun(b, "client_golang", func(i int) { ph.Observe(latencies[i&7]) })
	inOneRun(b, "unbound", func(i int) { h.Record(ctx, latencies[i&7], cached) })
	inOneRun(b, "sdk", func(i int) { sh.Record(ctx, latencies[i&7], cached) })
}

// BenchmarkCollect collects 1,000 histogram series again and again into the same memory.
func BenchmarkCollect(b *testing.B) {
	ctx := context.Background()
	reader := sdkmetric.NewManualReader()
	stock := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	ours := bound.NewProvider(bound.Config{Inner: sdkmetric.NewMeterProvider(), ExemplarFilter: exemplar.TraceBasedFilter})
	for _, p := range []metric.MeterProvider{stock, ours} {
		h, _ := p.Meter("bench").Float64Histogram("h", metric.WithExplicitBucketBoundaries(latencyBounds...))
		for i := range 1000 {
			h.Record(ctx, 1, metric.WithAttributes(attribute.Int("i", i)))
		}
	}
	b.Run("bound", func(b *testing.B) {
		b.ReportAllocs()
		var dst []metricdata.ScopeMetrics
		for b.Loop() {
			_ = ours.ProduceInto(ctx, &dst)
		}
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		var rm metricdata.ResourceMetrics
		for b.Loop() {
			_ = reader.Collect(ctx, &rm)
		}
	})
}
