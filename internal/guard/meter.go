package guard

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// meter guards the callbacks that reach the inner meter, at creation and at registration.
type meter struct {
	metric.Meter
	provider *Provider
	name     string
}

func (m *meter) Int64ObservableCounter(name string, opts ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	m.provider.observable(m.name, name)
	cfg := metric.NewInt64ObservableCounterConfig(opts...)
	out := []metric.Int64ObservableCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range cfg.Callbacks() {
		out = append(out, metric.WithInt64Callback(m.int64(name, f)))
	}
	return m.Meter.Int64ObservableCounter(name, out...)
}

func (m *meter) Int64ObservableUpDownCounter(name string, opts ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	m.provider.observable(m.name, name)
	cfg := metric.NewInt64ObservableUpDownCounterConfig(opts...)
	out := []metric.Int64ObservableUpDownCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range cfg.Callbacks() {
		out = append(out, metric.WithInt64Callback(m.int64(name, f)))
	}
	return m.Meter.Int64ObservableUpDownCounter(name, out...)
}

func (m *meter) Int64ObservableGauge(name string, opts ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	m.provider.observable(m.name, name)
	cfg := metric.NewInt64ObservableGaugeConfig(opts...)
	out := []metric.Int64ObservableGaugeOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range cfg.Callbacks() {
		out = append(out, metric.WithInt64Callback(m.int64(name, f)))
	}
	return m.Meter.Int64ObservableGauge(name, out...)
}

func (m *meter) Float64ObservableCounter(name string, opts ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	m.provider.observable(m.name, name)
	cfg := metric.NewFloat64ObservableCounterConfig(opts...)
	out := []metric.Float64ObservableCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range cfg.Callbacks() {
		out = append(out, metric.WithFloat64Callback(m.float64(name, f)))
	}
	return m.Meter.Float64ObservableCounter(name, out...)
}

func (m *meter) Float64ObservableUpDownCounter(name string, opts ...metric.Float64ObservableUpDownCounterOption) (metric.Float64ObservableUpDownCounter, error) {
	m.provider.observable(m.name, name)
	cfg := metric.NewFloat64ObservableUpDownCounterConfig(opts...)
	out := []metric.Float64ObservableUpDownCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range cfg.Callbacks() {
		out = append(out, metric.WithFloat64Callback(m.float64(name, f)))
	}
	return m.Meter.Float64ObservableUpDownCounter(name, out...)
}

func (m *meter) Float64ObservableGauge(name string, opts ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	m.provider.observable(m.name, name)
	cfg := metric.NewFloat64ObservableGaugeConfig(opts...)
	out := []metric.Float64ObservableGaugeOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range cfg.Callbacks() {
		out = append(out, metric.WithFloat64Callback(m.float64(name, f)))
	}
	return m.Meter.Float64ObservableGauge(name, out...)
}

// RegisterCallback registers f, guarded, for instruments of this meter.
func (m *meter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	if f == nil {
		return m.Meter.RegisterCallback(f, instruments...)
	}
	c := m.provider.callback(m.name, fmt.Sprintf("%d instruments", len(instruments)), f)
	return m.Meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		return c.run(ctx, func(ctx context.Context) error { return f(ctx, o) })
	}, instruments...)
}

func (m *meter) int64(instrument string, f metric.Int64Callback) metric.Int64Callback {
	c := m.provider.callback(m.name, fmt.Sprintf("instrument %q", instrument), f)
	return func(ctx context.Context, o metric.Int64Observer) error {
		return c.run(ctx, func(ctx context.Context) error { return f(ctx, o) })
	}
}

func (m *meter) float64(instrument string, f metric.Float64Callback) metric.Float64Callback {
	c := m.provider.callback(m.name, fmt.Sprintf("instrument %q", instrument), f)
	return func(ctx context.Context, o metric.Float64Observer) error {
		return c.run(ctx, func(ctx context.Context) error { return f(ctx, o) })
	}
}
