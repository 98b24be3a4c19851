package bound

import (
	"context"
	"math"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/x"
)

var (
	_ x.Float64CounterBinder       = (*float64Counter)(nil)
	_ x.Float64UpDownCounterBinder = (*float64UpDownCounter)(nil)
	_ x.Float64HistogramBinder     = (*float64Histogram)(nil)
	_ x.Float64GaugeBinder         = (*float64Gauge)(nil)
)

type float64Counter struct {
	embedded.Float64Counter
	adding[float64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *float64Counter) Bind(attrs ...attribute.KeyValue) metric.Float64Counter {
	b := &boundFloat64Counter{inner: i.inner}
	b.init(i.stream, attrs, addOption)
	return b
}

type boundFloat64Counter struct {
	embedded.Float64Counter
	handle[float64, metric.AddOption]
	inner adder[float64]
}

func (b *boundFloat64Counter) Add(ctx context.Context, v float64, opts ...metric.AddOption) {
	if s := b.quick.Load(); s != nil && len(opts) == 0 {
		s.countFloat(v)
		return
	}
	b.add(ctx, v, opts)
}

func (b *boundFloat64Counter) add(ctx context.Context, v float64, opts []metric.AddOption) {
	if !b.measure(ctx, v, opts, addAttributes) {
		b.inner.Add(ctx, v, b.options(opts)...)
	}
}

func (b *boundFloat64Counter) Enabled(ctx context.Context) bool {
	return b.stream.enabled(ctx, b.inner)
}

type float64UpDownCounter struct {
	embedded.Float64UpDownCounter
	adding[float64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *float64UpDownCounter) Bind(attrs ...attribute.KeyValue) metric.Float64UpDownCounter {
	b := &boundFloat64UpDownCounter{inner: i.inner}
	b.init(i.stream, attrs, addOption)
	return b
}

type boundFloat64UpDownCounter struct {
	embedded.Float64UpDownCounter
	handle[float64, metric.AddOption]
	inner adder[float64]
}

func (b *boundFloat64UpDownCounter) Add(ctx context.Context, v float64, opts ...metric.AddOption) {
	if s := b.quick.Load(); s != nil && len(opts) == 0 {
		s.addFloat(v)
		return
	}
	b.add(ctx, v, opts)
}

func (b *boundFloat64UpDownCounter) add(ctx context.Context, v float64, opts []metric.AddOption) {
	if !b.measure(ctx, v, opts, addAttributes) {
		b.inner.Add(ctx, v, b.options(opts)...)
	}
}

func (b *boundFloat64UpDownCounter) Enabled(ctx context.Context) bool {
	return b.stream.enabled(ctx, b.inner)
}

type float64Histogram struct {
	embedded.Float64Histogram
	recording[float64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *float64Histogram) Bind(attrs ...attribute.KeyValue) metric.Float64Histogram {
	b := &boundFloat64Histogram{inner: i.inner}
	b.init(i.stream, attrs, recordOption)
	return b
}

type boundFloat64Histogram struct {
	embedded.Float64Histogram
	// data is that of the quick series.
	data atomic.Pointer[histogramData[float64]]
	handle[float64, metric.RecordOption]
	inner recorder[float64]
}

func (b *boundFloat64Histogram) Record(ctx context.Context, v float64, opts ...metric.RecordOption) {
	if d := b.data.Load(); d != nil && len(opts) == 0 {
		d.record(v)
		return
	}
	b.record(ctx, v, opts)
}

func (b *boundFloat64Histogram) record(ctx context.Context, v float64, opts []metric.RecordOption) {
	if !b.measure(ctx, v, opts, recordAttributes) {
		b.inner.Record(ctx, v, b.options(opts)...)
	}
	if s := b.quick.Load(); s != nil {
		b.data.Store(s.hist)
	}
}

func (b *boundFloat64Histogram) Enabled(ctx context.Context) bool {
	return b.stream.enabled(ctx, b.inner)
}

type float64Gauge struct {
	embedded.Float64Gauge
	recording[float64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *float64Gauge) Bind(attrs ...attribute.KeyValue) metric.Float64Gauge {
	b := &boundFloat64Gauge{inner: i.inner}
	b.init(i.stream, attrs, recordOption)
	return b
}

type boundFloat64Gauge struct {
	embedded.Float64Gauge
	handle[float64, metric.RecordOption]
	inner recorder[float64]
}

func (b *boundFloat64Gauge) Record(ctx context.Context, v float64, opts ...metric.RecordOption) {
	if s := b.quick.Load(); s != nil && len(opts) == 0 {
		s.bits.Store(math.Float64bits(v))
		return
	}
	b.record(ctx, v, opts)
}

func (b *boundFloat64Gauge) record(ctx context.Context, v float64, opts []metric.RecordOption) {
	if !b.measure(ctx, v, opts, recordAttributes) {
		b.inner.Record(ctx, v, b.options(opts)...)
	}
}

func (b *boundFloat64Gauge) Enabled(ctx context.Context) bool { return b.stream.enabled(ctx, b.inner) }
