package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	bridgeprom "go.opentelemetry.io/contrib/bridges/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/flight"
	"github.com/duotel/duotel/internal/report"
)

// bridge brings client_golang registries to the push exit through contrib's Prometheus bridge.
//
// The bridge gathers without a context and skips a registry whose gathering had any error. Here a
// gathering that hangs costs half of the caller's time and no more, so that what else there is to
// push still goes out, and what a partly failed gathering did return is kept.
type bridge struct {
	gatherers prometheus.Gatherers
	handle    func(error)
	told      *report.Rounds
	group     *flight.Group[bridged]
}

// bridged is one gathering.
type bridged struct {
	scopes  []metricdata.ScopeMetrics
	omitted leftOut
}

// leftOut is what a producer's data lacks: an error beside the data.
type leftOut []error

func (l leftOut) Error() string   { return errors.Join(l...).Error() }
func (l leftOut) Unwrap() []error { return l }

// NewBridge returns a producer of the metrics of gatherers, for [PushConfig] and [NewConsole]. What filter
// does not admit stays behind. Errors of gatherers go to handle, which may be nil, each when it begins. What a
// gathering left out is also the error that Produce returns beside the rest; the push exit counts each in
// [PushStats].CollectErrors, every time.
func NewBridge(gatherers []prometheus.Gatherer, filter Filter, handle func(error)) sdkmetric.Producer {
	b := &bridge{gatherers: tolerantAll(gatherers, filter), handle: handle, told: report.NewRounds(handle)}
	b.group = flight.New(b.gather, nil, defaultCollectTimeout)
	return b
}

// Produce implements [sdkmetric.Producer].
func (b *bridge) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	got, release, err := b.group.Do(ctx, true)
	release()
	if err != nil {
		return nil, fmt.Errorf("collect: client_golang registries: %w", err)
	}
	if len(got.omitted) > 0 {
		return got.scopes, got.omitted
	}
	return got.scopes, nil
}

// gather is the run that callers wait for.
func (b *bridge) gather(ctx context.Context) (bridged, error) {
	reg := &lenient{Gatherer: b.gatherers}
	scopes, err := bridgeprom.NewMetricProducer(bridgeprom.WithGatherer(reg)).Produce(ctx)
	got := bridged{scopes: scopes}
	for _, what := range reg.omitted {
		got.omitted = append(got.omitted, b.report(what))
	}
	b.told.End()
	return got, err
}

// report tells the handler, when it begins.
func (b *bridge) report(what string) error {
	err := fmt.Errorf("left out of the push: %s", what)
	if b.handle == nil {
		return err
	}
	b.told.Failed(what, fmt.Errorf("push: %w", err))
	return toldError{err}
}

// toldError is one that the handler has been told of by whoever made it: it only remains to be counted.
type toldError struct{ error }

// lenient gathers all that can be had and remembers the rest instead of failing.
type lenient struct {
	prometheus.Gatherer
	omitted []string
}

func (l *lenient) Gather() ([]*dto.MetricFamily, error) {
	families, err := l.Gatherer.Gather()
	l.omitted = omissions(err)
	return families, nil
}
