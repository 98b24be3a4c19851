package bound_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/duotel/duotel/internal/bound"
)

// setup is what a stock provider and a bound one are both configured with.
type setup struct {
	view        sdkmetric.View
	aggregation sdkmetric.AggregationSelector
	limit       int
	filter      exemplar.Filter
}

// twin is a stock SDK provider, and ours around another one, to be fed the same measurements.
type twin struct {
	stock, inner  metric.MeterProvider
	ours          *bound.Provider
	stockR, oursR *sdkmetric.ManualReader
}

func newTwin(s setup) *twin {
	if s.filter == nil {
		s.filter = exemplar.AlwaysOffFilter
	}
	t := &twin{}
	var readerOpts []sdkmetric.ManualReaderOption
	if s.aggregation != nil {
		readerOpts = append(readerOpts, sdkmetric.WithAggregationSelector(s.aggregation))
	}
	provider := func(r sdkmetric.Reader) *sdkmetric.MeterProvider {
		opts := []sdkmetric.Option{sdkmetric.WithReader(r), sdkmetric.WithExemplarFilter(s.filter)}
		if s.view != nil {
			opts = append(opts, sdkmetric.WithView(s.view))
		}
		if s.limit != 0 {
			opts = append(opts, sdkmetric.WithCardinalityLimit(s.limit))
		}
		return sdkmetric.NewMeterProvider(opts...)
	}
	t.stockR, t.oursR = sdkmetric.NewManualReader(readerOpts...), sdkmetric.NewManualReader(readerOpts...)
	t.stock, t.inner = provider(t.stockR), provider(t.oursR)
	t.ours = bound.NewProvider(bound.Config{
		Inner: t.inner, View: s.view, Aggregation: s.aggregation, CardinalityLimit: s.limit, ExemplarFilter: s.filter,
	})
	return t
}

// both returns the meters of one scope: the stock one first.
func (t *twin) both(name string, opts ...metric.MeterOption) [2]metric.Meter {
	return [2]metric.Meter{t.stock.Meter(name, opts...), t.ours.Meter(name, opts...)}
}

// collect returns what the stock reader sees, and what ours and its SDK see together, one entry a scope.
func (t *twin) collect(tb testing.TB) (want, got []metricdata.ScopeMetrics) {
	tb.Helper()
	var stock, inner metricdata.ResourceMetrics
	if err := t.stockR.Collect(context.Background(), &stock); err != nil {
		tb.Fatal(err)
	}
	if err := t.oursR.Collect(context.Background(), &inner); err != nil {
		tb.Fatal(err)
	}
	produced, err := t.ours.Produce(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return stock.ScopeMetrics, joined(inner.ScopeMetrics, produced)
}

// joined puts the metrics of the same scope into one entry.
func joined(lists ...[]metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	var out []metricdata.ScopeMetrics
	at := map[instrumentation.Scope]int{}
	for _, list := range lists {
		for _, sm := range list {
			i, ok := at[sm.Scope]
			if !ok {
				i = len(out)
				at[sm.Scope] = i
				out = append(out, metricdata.ScopeMetrics{Scope: sm.Scope})
			}
			out[i].Metrics = append(out[i].Metrics, sm.Metrics...)
		}
	}
	return out
}

// requireEqual fails unless both providers export the same.
func (t *twin) requireEqual(tb testing.TB) {
	tb.Helper()
	want, got := t.collect(tb)
	requireSame(tb, want, got)
}

func requireSame(tb testing.TB, want, got []metricdata.ScopeMetrics) {
	tb.Helper()
	w, g := metricdata.ResourceMetrics{ScopeMetrics: want}, metricdata.ResourceMetrics{ScopeMetrics: got}
	if !metricdatatest.AssertEqual(tb, w, g, metricdatatest.IgnoreTimestamp()) {
		tb.FailNow()
	}
}

// measure is one instrument of any kind, to which a value is a float64.
type measure func(ctx context.Context, v float64, given ...metric.MeasurementOption)

// binder is the Bind method of an instrument, nil if it has none.
type binder func(...attribute.KeyValue) measure

// instrument makes instruments of one kind in any meter.
type instrument struct {
	name string
	// make takes those of opts that the kind has.
	make func(m metric.Meter, name string, opts ...any) (measure, binder, error)
}

func adds[N int64 | float64](i interface {
	Add(context.Context, N, ...metric.AddOption)
},
) measure {
	return func(ctx context.Context, v float64, given ...metric.MeasurementOption) {
		var opts []metric.AddOption
		for _, o := range given {
			opts = append(opts, o)
		}
		i.Add(ctx, N(v), opts...)
	}
}

func records[N int64 | float64](i interface {
	Record(context.Context, N, ...metric.RecordOption)
},
) measure {
	return func(ctx context.Context, v float64, given ...metric.MeasurementOption) {
		var opts []metric.RecordOption
		for _, o := range given {
			opts = append(opts, o)
		}
		i.Record(ctx, N(v), opts...)
	}
}

// instruments are the eight synchronous kinds.
var instruments = []instrument{
	{"Int64Counter", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Int64Counter(name, options[metric.Int64CounterOption](opts)...)
		b, ok := i.(x.Int64CounterBinder)
		return adds(i), binds(ok, func(kv []attribute.KeyValue) measure { return adds(b.Bind(kv...)) }), err
	}},
	{"Int64UpDownCounter", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Int64UpDownCounter(name, options[metric.Int64UpDownCounterOption](opts)...)
		b, ok := i.(x.Int64UpDownCounterBinder)
		return adds(i), binds(ok, func(kv []attribute.KeyValue) measure { return adds(b.Bind(kv...)) }), err
	}},
	{"Int64Histogram", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Int64Histogram(name, options[metric.Int64HistogramOption](opts)...)
		b, ok := i.(x.Int64HistogramBinder)
		return records(i), binds(ok, func(kv []attribute.KeyValue) measure { return records(b.Bind(kv...)) }), err
	}},
	{"Int64Gauge", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Int64Gauge(name, options[metric.Int64GaugeOption](opts)...)
		b, ok := i.(x.Int64GaugeBinder)
		return records(i), binds(ok, func(kv []attribute.KeyValue) measure { return records(b.Bind(kv...)) }), err
	}},
	{"Float64Counter", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Float64Counter(name, options[metric.Float64CounterOption](opts)...)
		b, ok := i.(x.Float64CounterBinder)
		return adds(i), binds(ok, func(kv []attribute.KeyValue) measure { return adds(b.Bind(kv...)) }), err
	}},
	{"Float64UpDownCounter", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Float64UpDownCounter(name, options[metric.Float64UpDownCounterOption](opts)...)
		b, ok := i.(x.Float64UpDownCounterBinder)
		return adds(i), binds(ok, func(kv []attribute.KeyValue) measure { return adds(b.Bind(kv...)) }), err
	}},
	{"Float64Histogram", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Float64Histogram(name, options[metric.Float64HistogramOption](opts)...)
		b, ok := i.(x.Float64HistogramBinder)
		return records(i), binds(ok, func(kv []attribute.KeyValue) measure { return records(b.Bind(kv...)) }), err
	}},
	{"Float64Gauge", func(m metric.Meter, name string, opts ...any) (measure, binder, error) {
		i, err := m.Float64Gauge(name, options[metric.Float64GaugeOption](opts)...)
		b, ok := i.(x.Float64GaugeBinder)
		return records(i), binds(ok, func(kv []attribute.KeyValue) measure { return records(b.Bind(kv...)) }), err
	}},
}

func kind(name string) instrument {
	for _, i := range instruments {
		if i.name == name {
			return i
		}
	}
	panic(name)
}

// options keeps those of opts that an instrument of the kind takes.
func options[O any](opts []any) []O {
	var out []O
	for _, o := range opts {
		if o, ok := o.(O); ok {
			out = append(out, o)
		}
	}
	return out
}

func binds(ok bool, bind func([]attribute.KeyValue) measure) binder {
	if !ok {
		return nil
	}
	return func(kv ...attribute.KeyValue) measure { return bind(kv) }
}
