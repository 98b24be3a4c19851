package service

import (
	"context"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// ExponentialName is the histogram that a view makes exponential.
const ExponentialName = "e2e.exponential"

// Instruments are one of every kind.
type Instruments struct {
	intCounter     metric.Int64Counter
	floatCounter   metric.Float64Counter
	intUpDown      metric.Int64UpDownCounter
	floatUpDown    metric.Float64UpDownCounter
	intHistogram   metric.Int64Histogram
	floatHistogram metric.Float64Histogram
	exponential    metric.Float64Histogram
	intGauge       metric.Int64Gauge
	floatGauge     metric.Float64Gauge
	plainCounter   prometheus.Counter
	plainHistogram *prometheus.HistogramVec
	plainSummary   prometheus.Summary
}

// must is for instruments whose names are constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// NewInstruments makes the instruments. The observable ones have constant values.
func NewInstruments(provider metric.MeterProvider, registerer prometheus.Registerer) *Instruments {
	m := provider.Meter("e2e", metric.WithInstrumentationVersion("1.2.3"), metric.WithSchemaURL("https://example.com/e2e"))
	i := &Instruments{
		intCounter:     must(m.Int64Counter("e2e.int.counter", metric.WithUnit("{thing}"), metric.WithDescription("Counts things."))),
		floatCounter:   must(m.Float64Counter("e2e.float.counter", metric.WithUnit("s"), metric.WithDescription("Counts \"seconds\" \\ with\na new line."))),
		intUpDown:      must(m.Int64UpDownCounter("e2e.int.updown", metric.WithUnit("By"))),
		floatUpDown:    must(m.Float64UpDownCounter("e2e.float.updown", metric.WithUnit("1"))),
		intHistogram:   must(m.Int64Histogram("e2e.int.histogram", metric.WithUnit("By"), metric.WithExplicitBucketBoundaries(10, 100, 1000))),
		floatHistogram: must(m.Float64Histogram("e2e.float.histogram", metric.WithUnit("ms"), metric.WithExplicitBucketBoundaries(-1, 0, 0.1, 1, 2.5))),
		exponential:    must(m.Float64Histogram(ExponentialName, metric.WithUnit("s"))),
		intGauge:       must(m.Int64Gauge("e2e.int.gauge", metric.WithUnit("Cel"))),
		floatGauge:     must(m.Float64Gauge("e2e.float.gauge", metric.WithUnit("%"))),
		plainCounter:   prometheus.NewCounter(prometheus.CounterOpts{Name: "e2e_plain_total", Help: "A client_golang counter."}),
		plainHistogram: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "e2e_plain_seconds", Help: "A client_golang histogram.", Buckets: []float64{0.1, 1, 10}}, []string{"kind"}),
		plainSummary:   prometheus.NewSummary(prometheus.SummaryOpts{Name: "e2e_plain_size_bytes", Help: "A client_golang summary.", Objectives: map[float64]float64{0.5: 0.05, 0.9: 0.01}}),
	}
	registerer.MustRegister(i.plainCounter, i.plainHistogram, i.plainSummary)
	observe(m)
	return i
}

// observe makes the observable kinds.
func observe(m metric.Meter) {
	at := metric.WithAttributes(attribute.String("from", "callback"))
	ints := metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(42, at); return nil })
	floats := metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error { o.Observe(0.1, at); return nil })
	must(m.Int64ObservableCounter("e2e.int.observable.counter", ints))
	must(m.Float64ObservableCounter("e2e.float.observable.counter", floats))
	must(m.Int64ObservableUpDownCounter("e2e.int.observable.updown", ints))
	must(m.Float64ObservableUpDownCounter("e2e.float.observable.updown", floats))
	must(m.Int64ObservableGauge("e2e.int.observable.gauge", ints))
	must(m.Float64ObservableGauge("e2e.float.observable.gauge", floats))
}

// values are attribute values of the kinds that formats treat differently.
var values = []string{"plain", "日本語 ключ 🙂", `quoted "value" \ back`, "two\nlines", ""}

// Record makes n measurements with every synchronous instrument. What is recorded depends on n alone.
func (i *Instruments) Record(ctx context.Context, n int) {
	for k := range n {
		at := metric.WithAttributes(
			attribute.String("text.value", values[k%len(values)]),
			attribute.Int("number", k%3),
			attribute.Bool("flag", k%2 == 0),
		)
		v := float64(k%100) / 7
		i.intCounter.Add(ctx, int64(k), at)
		i.floatCounter.Add(ctx, v, at)
		i.intUpDown.Add(ctx, int64(k%5)-2, at)
		i.floatUpDown.Add(ctx, v-7, at)
		i.intHistogram.Record(ctx, int64(k*k%2000), at)
		i.floatHistogram.Record(ctx, v-3, at)
		i.exponential.Record(ctx, math.Exp(v-7), at)
		i.intGauge.Record(ctx, int64(k), at)
		i.plainCounter.Inc()
		i.plainHistogram.WithLabelValues(values[k%3]).Observe(v)
		i.plainSummary.Observe(v)
	}
	i.special(ctx)
}

// special records the numbers that formats treat differently.
func (i *Instruments) special(ctx context.Context) {
	for name, v := range map[string]float64{
		"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1), "tiny": 5e-324, "huge": math.MaxFloat64, "-0": math.Copysign(0, -1),
	} {
		i.floatGauge.Record(ctx, v, metric.WithAttributes(attribute.String("number", name)))
	}
	i.intGauge.Record(ctx, math.MaxInt64, metric.WithAttributes(attribute.String("number", "largest")))
}

// RecordInvalid records an attribute value that is not valid UTF-8, as a truncated string is.
func (i *Instruments) RecordInvalid(ctx context.Context) {
	i.intCounter.Add(ctx, 1, metric.WithAttributes(attribute.String("text.value", "caf\xc3")))
}

// View makes the one histogram exponential.
func View(inst sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if inst.Name != ExponentialName {
		return sdkmetric.Stream{}, false
	}
	return sdkmetric.Stream{
		Name: inst.Name, Description: inst.Description, Unit: inst.Unit,
		Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20},
	}, true
}
