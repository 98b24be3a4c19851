package exporter

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	bridgeprom "go.opentelemetry.io/contrib/bridges/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/flight"
)

// bridge brings client_golang registries to the push exit through contrib's Prometheus bridge.
//
// The bridge gathers without a context and skips a registry whose gathering had any error. Here a
// gathering that hangs costs half of the caller's time and no more, so that what else there is to
// push still goes out, and what a partly failed gathering did return is kept.
type bridge struct {
	group *flight.Group[[]metricdata.ScopeMetrics]
}

// NewBridge returns a producer of the metrics of gatherers, for [PushConfig]. What filter does not
// admit stays behind. Errors of gatherers go to handle, which may be nil, once per message.
func NewBridge(gatherers []prometheus.Gatherer, filter Filter, handle func(error)) sdkmetric.Producer {
	g := &reporting{gatherers: tolerantAll(gatherers, filter), handle: handle}
	producer := bridgeprom.NewMetricProducer(bridgeprom.WithGatherer(g))
	return &bridge{group: flight.New(producer.Produce, nil, defaultCollectTimeout)}
}

// Produce implements [sdkmetric.Producer].
func (b *bridge) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	scopes, release, err := b.group.Do(ctx, true)
	release()
	if err != nil {
		return nil, fmt.Errorf("collect: client_golang registries: %w", err)
	}
	return scopes, nil
}

// reporting gathers all that can be had and reports the rest instead of failing.
type reporting struct {
	gatherers prometheus.Gatherers
	handle    func(error)
	reported  once
}

func (r *reporting) Gather() ([]*dto.MetricFamily, error) {
	families, err := r.gatherers.Gather()
	for _, e := range omissions(err) {
		if r.handle != nil && r.reported.first(e) {
			r.handle(fmt.Errorf("push: left out of the push: %s", e))
		}
	}
	return families, nil
}
