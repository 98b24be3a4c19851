package exporter

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// official turns collections into client_golang families with the official Prometheus exporter.
//
// The exporter insists on collecting from a reader of its own, without a context. So it stands on a
// second provider that has no instruments, and the only data there is what families is given: the
// one aggregation stays one, and what reaches the exporter can be filtered and mended before.
type official struct {
	registry *prometheus.Registry

	mu     sync.Mutex // one rendering at a time: scopes is its input
	scopes []metricdata.ScopeMetrics
}

func newOfficial(res *resource.Resource, namespace string) (*official, error) {
	o := &official{registry: prometheus.NewRegistry()}
	exp, err := otelprom.New(
		otelprom.WithRegisterer(o.registry),
		otelprom.WithNamespace(namespace),
		otelprom.WithProducer(o),
	)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	sdkmetric.NewMeterProvider(sdkmetric.WithReader(exp), sdkmetric.WithResource(res))
	return o, nil
}

// families renders scopes. A metric that cannot be rendered is left out and named in the error; the
// others are in the result.
func (o *official) families(scopes []metricdata.ScopeMetrics) ([]*dto.MetricFamily, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scopes = scopes
	defer func() { o.scopes = nil }()
	return o.registry.Gather()
}

// Produce implements [sdkmetric.Producer] for the exporter's reader, inside families.
func (o *official) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return o.scopes, nil }
