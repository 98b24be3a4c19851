package exporter

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Console is the exit for looking at metrics without a backend: JSON to a writer at an interval.
type Console struct{ provider *sdkmetric.MeterProvider }

// NewConsole writes what producers give to w, one JSON document per interval. Zero durations mean
// 60 s and 30 s.
func NewConsole(w io.Writer, res *resource.Resource, producers []sdkmetric.Producer, interval, timeout time.Duration) (*Console, error) {
	exp, err := stdoutmetric.New(stdoutmetric.WithWriter(w))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	opts := []sdkmetric.PeriodicReaderOption{
		sdkmetric.WithInterval(orDefault(interval, time.Minute)),
		sdkmetric.WithTimeout(orDefault(timeout, 30*time.Second)),
	}
	for _, p := range producers {
		opts = append(opts, sdkmetric.WithProducer(p))
	}
	reader := sdkmetric.NewPeriodicReader(exp, opts...)
	return &Console{sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res))}, nil
}

// orDefault returns d, or otherwise when d is not positive.
func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// ForceFlush writes the current state now.
func (c *Console) ForceFlush(ctx context.Context) error { return c.provider.ForceFlush(ctx) }

// Shutdown writes the last state and stops.
func (c *Console) Shutdown(ctx context.Context) error { return c.provider.Shutdown(ctx) }
