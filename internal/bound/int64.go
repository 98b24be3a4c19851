package bound

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/x"
)

var (
	_ x.Int64CounterBinder       = (*int64Counter)(nil)
	_ x.Int64UpDownCounterBinder = (*int64UpDownCounter)(nil)
	_ x.Int64HistogramBinder     = (*int64Histogram)(nil)
	_ x.Int64GaugeBinder         = (*int64Gauge)(nil)
)

type int64Counter struct {
	embedded.Int64Counter
	adding[int64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *int64Counter) Bind(attrs ...attribute.KeyValue) metric.Int64Counter {
	b := &boundInt64Counter{inner: i.inner}
	b.init(i.stream, attrs, addOption)
	return b
}

type boundInt64Counter struct {
	embedded.Int64Counter
	handle[int64, metric.AddOption]
	inner adder[int64]
}

func (b *boundInt64Counter) Add(ctx context.Context, v int64, opts ...metric.AddOption) {
	if s := b.quick.Load(); s != nil && len(opts) == 0 {
		s.countInt(v)
		return
	}
	b.add(ctx, v, opts)
}

func (b *boundInt64Counter) add(ctx context.Context, v int64, opts []metric.AddOption) {
	if !b.measure(ctx, v, opts, addAttributes) {
		b.inner.Add(ctx, v, b.options(opts)...)
	}
}

func (b *boundInt64Counter) Enabled(ctx context.Context) bool { return b.stream.enabled(ctx, b.inner) }

type int64UpDownCounter struct {
	embedded.Int64UpDownCounter
	adding[int64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *int64UpDownCounter) Bind(attrs ...attribute.KeyValue) metric.Int64UpDownCounter {
	b := &boundInt64UpDownCounter{inner: i.inner}
	b.init(i.stream, attrs, addOption)
	return b
}

type boundInt64UpDownCounter struct {
	embedded.Int64UpDownCounter
	handle[int64, metric.AddOption]
	inner adder[int64]
}

func (b *boundInt64UpDownCounter) Add(ctx context.Context, v int64, opts ...metric.AddOption) {
	if s := b.quick.Load(); s != nil && len(opts) == 0 {
		s.bits.Add(uint64(v))
		return
	}
	b.add(ctx, v, opts)
}

func (b *boundInt64UpDownCounter) add(ctx context.Context, v int64, opts []metric.AddOption) {
	if !b.measure(ctx, v, opts, addAttributes) {
		b.inner.Add(ctx, v, b.options(opts)...)
	}
}

func (b *boundInt64UpDownCounter) Enabled(ctx context.Context) bool {
	return b.stream.enabled(ctx, b.inner)
}

type int64Histogram struct {
	embedded.Int64Histogram
	recording[int64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *int64Histogram) Bind(attrs ...attribute.KeyValue) metric.Int64Histogram {
	b := &boundInt64Histogram{inner: i.inner}
	b.init(i.stream, attrs, recordOption)
	return b
}

type boundInt64Histogram struct {
	embedded.Int64Histogram
	// data is that of the quick series.
	data atomic.Pointer[histogramData[int64]]
	handle[int64, metric.RecordOption]
	inner recorder[int64]
}

func (b *boundInt64Histogram) Record(ctx context.Context, v int64, opts ...metric.RecordOption) {
	if d := b.data.Load(); d != nil && len(opts) == 0 {
		d.record(v)
		return
	}
	b.record(ctx, v, opts)
}

func (b *boundInt64Histogram) record(ctx context.Context, v int64, opts []metric.RecordOption) {
	if !b.measure(ctx, v, opts, recordAttributes) {
		b.inner.Record(ctx, v, b.options(opts)...)
	}
	if s := b.quick.Load(); s != nil {
		b.data.Store(s.hist)
	}
}

func (b *boundInt64Histogram) Enabled(ctx context.Context) bool {
	return b.stream.enabled(ctx, b.inner)
}

type int64Gauge struct {
	embedded.Int64Gauge
	recording[int64]
}

// Bind returns the instrument with attrs on every measurement.
func (i *int64Gauge) Bind(attrs ...attribute.KeyValue) metric.Int64Gauge {
	b := &boundInt64Gauge{inner: i.inner}
	b.init(i.stream, attrs, recordOption)
	return b
}

type boundInt64Gauge struct {
	embedded.Int64Gauge
	handle[int64, metric.RecordOption]
	inner recorder[int64]
}

func (b *boundInt64Gauge) Record(ctx context.Context, v int64, opts ...metric.RecordOption) {
	if s := b.quick.Load(); s != nil && len(opts) == 0 {
		s.bits.Store(uint64(v))
		return
	}
	b.record(ctx, v, opts)
}

func (b *boundInt64Gauge) record(ctx context.Context, v int64, opts []metric.RecordOption) {
	if !b.measure(ctx, v, opts, recordAttributes) {
		b.inner.Record(ctx, v, b.options(opts)...)
	}
}

func (b *boundInt64Gauge) Enabled(ctx context.Context) bool { return b.stream.enabled(ctx, b.inner) }
