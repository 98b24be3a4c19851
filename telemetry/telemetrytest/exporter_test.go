package telemetrytest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// protocols are the two upstream exporters, without their retries: one Export is one request.
var protocols = map[exporter.Protocol]func(testing.TB, *telemetrytest.Backend) sdkmetric.Exporter{
	exporter.ProtocolHTTPProtobuf: newHTTPExporter,
	exporter.ProtocolGRPC:         newGRPCExporter,
}

func newHTTPExporter(tb testing.TB, b *telemetrytest.Backend) sdkmetric.Exporter {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	e, err := otlpmetrichttp.New(tb.Context(),
		otlpmetrichttp.WithEndpointURL(b.HTTPEndpoint()),
		otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression),
		otlpmetrichttp.WithHeaders(map[string]string{"X-Dataset": "demo"}),
		otlpmetrichttp.WithHTTPClient(&http.Client{Transport: transport}),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	return closing(tb, e, err)
}

func newGRPCExporter(tb testing.TB, b *telemetrytest.Backend) sdkmetric.Exporter {
	tb.Helper()
	e, err := otlpmetricgrpc.New(tb.Context(),
		otlpmetricgrpc.WithEndpointURL(b.GRPCEndpoint()),
		otlpmetricgrpc.WithCompressor("gzip"),
		otlpmetricgrpc.WithHeaders(map[string]string{"x-dataset": "demo"}),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}))
	return closing(tb, e, err)
}

func closing(tb testing.TB, e sdkmetric.Exporter, err error) sdkmetric.Exporter {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	return e
}

// forEachProtocol runs a test against a new backend over HTTP and over gRPC.
func forEachProtocol(t *testing.T, test func(*testing.T, *telemetrytest.Backend, sdkmetric.Exporter)) {
	t.Helper()
	for protocol, newExporter := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := telemetrytest.NewBackend(t)
			test(t, b, newExporter(t, b))
		})
	}
}

// orders is a counter with one point per customer, each of value 1.
func orders(temporality metricdata.Temporality, customers ...string) *metricdata.ResourceMetrics {
	sum := metricdata.Sum[int64]{Temporality: temporality, IsMonotonic: true}
	for _, c := range customers {
		sum.DataPoints = append(sum.DataPoints, metricdata.DataPoint[int64]{
			Attributes: attribute.NewSet(attribute.String("customer", c)),
			StartTime:  time.Unix(100, 0),
			Time:       time.Unix(200, 0),
			Value:      1,
		})
	}
	return metricsOf(metricdata.Metrics{Name: "orders.placed", Unit: "{order}", Data: sum})
}

func metricsOf(metrics ...metricdata.Metrics) *metricdata.ResourceMetrics {
	return &metricdata.ResourceMetrics{
		Resource:     resource.NewSchemaless(attribute.String("service.name", "shop")),
		ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: metrics}},
	}
}
