package bound

import (
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// meter makes the synchronous instruments bindable. Everything else is the inner meter's own: observable
// instruments, and the callbacks registered for them.
type meter struct {
	metric.Meter
	provider *Provider
	scope    *scope
}

// Int64Counter returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Int64Counter(name string, opts ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	inner, err := m.Meter.Int64Counter(name, opts...)
	if _, ok := inner.(x.Int64CounterBinder); ok {
		return inner, err
	}
	cfg := metric.NewInt64CounterConfig(opts...)
	st := m.scope.ints.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindCounter,
	}, advice{keys: defaultKeys(opts)})
	return &int64Counter{adding: adding[int64]{inner, st}}, err
}

// Int64UpDownCounter returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Int64UpDownCounter(name string, opts ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	inner, err := m.Meter.Int64UpDownCounter(name, opts...)
	if _, ok := inner.(x.Int64UpDownCounterBinder); ok {
		return inner, err
	}
	cfg := metric.NewInt64UpDownCounterConfig(opts...)
	st := m.scope.ints.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindUpDownCounter,
	}, advice{keys: defaultKeys(opts)})
	return &int64UpDownCounter{adding: adding[int64]{inner, st}}, err
}

// Int64Histogram returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Int64Histogram(name string, opts ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	inner, err := m.Meter.Int64Histogram(name, opts...)
	if _, ok := inner.(x.Int64HistogramBinder); ok {
		return inner, err
	}
	cfg := metric.NewInt64HistogramConfig(opts...)
	st := m.scope.ints.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindHistogram,
	}, advice{cfg.ExplicitBucketBoundaries(), defaultKeys(opts)})
	return &int64Histogram{recording: recording[int64]{inner, st}}, err
}

// Int64Gauge returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Int64Gauge(name string, opts ...metric.Int64GaugeOption) (metric.Int64Gauge, error) {
	inner, err := m.Meter.Int64Gauge(name, opts...)
	if _, ok := inner.(x.Int64GaugeBinder); ok {
		return inner, err
	}
	cfg := metric.NewInt64GaugeConfig(opts...)
	st := m.scope.ints.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindGauge,
	}, advice{keys: defaultKeys(opts)})
	return &int64Gauge{recording: recording[int64]{inner, st}}, err
}

// Float64Counter returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Float64Counter(name string, opts ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	inner, err := m.Meter.Float64Counter(name, opts...)
	if _, ok := inner.(x.Float64CounterBinder); ok {
		return inner, err
	}
	cfg := metric.NewFloat64CounterConfig(opts...)
	st := m.scope.floats.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindCounter,
	}, advice{keys: defaultKeys(opts)})
	return &float64Counter{adding: adding[float64]{inner, st}}, err
}

// Float64UpDownCounter returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Float64UpDownCounter(name string, opts ...metric.Float64UpDownCounterOption) (metric.Float64UpDownCounter, error) {
	inner, err := m.Meter.Float64UpDownCounter(name, opts...)
	if _, ok := inner.(x.Float64UpDownCounterBinder); ok {
		return inner, err
	}
	cfg := metric.NewFloat64UpDownCounterConfig(opts...)
	st := m.scope.floats.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindUpDownCounter,
	}, advice{keys: defaultKeys(opts)})
	return &float64UpDownCounter{adding: adding[float64]{inner, st}}, err
}

// Float64Histogram returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	inner, err := m.Meter.Float64Histogram(name, opts...)
	if _, ok := inner.(x.Float64HistogramBinder); ok {
		return inner, err
	}
	cfg := metric.NewFloat64HistogramConfig(opts...)
	st := m.scope.floats.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindHistogram,
	}, advice{cfg.ExplicitBucketBoundaries(), defaultKeys(opts)})
	return &float64Histogram{recording: recording[float64]{inner, st}}, err
}

// Float64Gauge returns a bindable instrument. The error is the inner meter's; the instrument works regardless.
func (m *meter) Float64Gauge(name string, opts ...metric.Float64GaugeOption) (metric.Float64Gauge, error) {
	inner, err := m.Meter.Float64Gauge(name, opts...)
	if _, ok := inner.(x.Float64GaugeBinder); ok {
		return inner, err
	}
	cfg := metric.NewFloat64GaugeConfig(opts...)
	st := m.scope.floats.lookup(sdkmetric.Instrument{
		Name: name, Description: cfg.Description(), Unit: cfg.Unit(), Kind: sdkmetric.InstrumentKindGauge,
	}, advice{keys: defaultKeys(opts)})
	return &float64Gauge{recording: recording[float64]{inner, st}}, err
}
