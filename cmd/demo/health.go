package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// health is how the service is, for dashboards and alerts to be tried on.
type health string

const (
	mixed   health = "mixed"   // most of it works, and some routes always fail
	healthy health = "healthy" // nothing fails
	sick    health = "sick"    // everything that an alert looks for
)

const (
	// orders is the number of series that a sick service makes: more than an instrument's limit.
	orders = 3000
	// leakEvery and leakLimit say how goroutines leak, and where even a sick demo stops.
	leakEvery = 50 * time.Millisecond
	leakLimit = 5000
)

// illness is what a sick service does besides answering badly.
type illness struct{ running sync.WaitGroup }

// fallIll begins: the demo's own backend refuses every push, a callback fails, an attribute that is different for every order fills its
// instrument, and goroutines leak until ctx ends.
func fallIll(sdk *telemetry.SDK, backend *telemetrytest.Backend, ctx context.Context) *illness {
	if backend != nil {
		backend.Default(telemetrytest.Status(http.StatusServiceUnavailable))
	}
	meter := sdk.MeterProvider().Meter("demo")
	// As in newRoutes: a bad name would be an error, and there is none.
	_, _ = meter.Int64ObservableGauge("demo.queue.length", metric.WithUnit("{job}"), metric.WithDescription("Jobs in the queue."),
		metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { return errors.New("the queue cannot be reached") }))
	counter, _ := meter.Int64Counter("demo.orders", metric.WithUnit("{order}"), metric.WithDescription("Orders, with an attribute that nobody should use."))
	for i := range orders {
		counter.Add(ctx, 1, metric.WithAttributes(attribute.String("order.id", strconv.Itoa(i))))
	}
	i := &illness{}
	i.running.Go(func() { i.leak(ctx) })
	return i
}

func (i *illness) leak(ctx context.Context) {
	ticker := time.NewTicker(leakEvery)
	defer ticker.Stop()
	for range leakLimit {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			i.running.Go(func() { <-ctx.Done() })
		}
	}
}

// wait returns when what leaked has ended. Without an illness it returns at once.
func (i *illness) wait() {
	if i != nil {
		i.running.Wait()
	}
}
