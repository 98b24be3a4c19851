package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/internal/given"
	"github.com/duotel/duotel/internal/report"
)

// Console is the exit for looking at metrics without a backend: JSON to a writer at an interval.
type Console struct{ provider *sdkmetric.MeterProvider }

// NewConsole writes what producers give to w, one JSON document per interval. Zero durations mean
// 60 s and 30 s. handle, which may be nil, gets the errors of producers, whose other data is written all the
// same.
func NewConsole(w io.Writer, res *resource.Resource, producers []sdkmetric.Producer, interval, timeout time.Duration, handle func(error)) (*Console, error) {
	if given.Nothing(w) {
		return nil, errors.New("console: the writer is nil; it is required")
	}
	if i := slices.IndexFunc(producers, func(p sdkmetric.Producer) bool { return given.Nothing(p) }); i >= 0 {
		return nil, fmt.Errorf("console: producers[%d] is nil; every element must be a producer", i)
	}
	exp, err := stdoutmetric.New(stdoutmetric.WithWriter(w))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	opts := []sdkmetric.PeriodicReaderOption{
		sdkmetric.WithInterval(orDefault(interval, time.Minute)),
		sdkmetric.WithTimeout(orDefault(timeout, 30*time.Second)),
	}
	limited := report.Limit(handle)
	told := func(err error) {
		if !errors.As(err, new(toldError)) {
			limited.Handle(err)
		}
	}
	for _, p := range producers {
		opts = append(opts, sdkmetric.WithProducer(newPushProducer(p, told)))
	}
	reader := sdkmetric.NewPeriodicReader(withResource{exp, res}, opts...)
	return &Console{sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res))}, nil
}

// orDefault returns d, or otherwise when d is not positive.
func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// ForceFlush writes the current state now, within ctx's deadline.
func (c *Console) ForceFlush(ctx context.Context) error { return within(ctx, c.provider.ForceFlush) }

// Shutdown writes the last state and stops, within ctx's deadline.
func (c *Console) Shutdown(ctx context.Context) error { return within(ctx, c.provider.Shutdown) }

// within gives up on f when ctx ends: a writer knows no context.
func within(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("console: the writer did not return: %w", context.Cause(ctx))
	}
}

// withResource exports with res alone: the SDK's providers add what the environment says of the
// resource to the one they are given.
type withResource struct {
	sdkmetric.Exporter
	res *resource.Resource
}

func (e withResource) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	own := *rm
	own.Resource = e.res
	return e.Exporter.Export(ctx, &own)
}
