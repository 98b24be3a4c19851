package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"

	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"

	"github.com/duotel/duotel/telemetry"
)

// Service is a running service with instruments.
type Service struct {
	*Instruments
	*Load
	// SDK is nil in a service that is not made of Duotel.
	SDK *telemetry.SDK
	// Address is host:port, URL the same with a scheme, and Metrics the URL of the scrape.
	Address, URL, Metrics string
	// Flush pushes now.
	Flush func(context.Context) error
}

// Start starts a service made of Duotel. It is stopped when the test ends.
func Start(tb testing.TB, cfg telemetry.Config, opts ...telemetry.Option) *Service {
	tb.Helper()
	opts = append([]telemetry.Option{telemetry.WithView(View), telemetry.WithLogger(slog.New(slog.NewTextHandler(tb.Output(), nil)))}, opts...)
	sdk, err := telemetry.New(tb.Context(), cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { shutdown(tb, sdk.Shutdown) })
	mux := http.NewServeMux()
	Routes(mux)
	sdk.Mount(mux)
	s := newService(tb, sdk.Middleware(mux), sdk.MeterProvider(), sdk.Registerer())
	s.SDK, s.Flush = sdk, sdk.ForceFlush
	return s
}

// StartStock starts the same service made of the usual parts. endpoint is where it pushes to, with OTLP over HTTP.
func StartStock(tb testing.TB, name, instance, endpoint string) *Service {
	tb.Helper()
	res := resource.NewSchemaless(attribute.String("service.name", name), attribute.String("service.instance.id", instance))
	registry := prometheus.NewRegistry()
	pull, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		tb.Fatal(err)
	}
	client, err := otlpmetrichttp.New(tb.Context(), otlpmetrichttp.WithEndpointURL(endpoint))
	if err != nil {
		tb.Fatal(err)
	}
	bridged := prometheus.NewRegistry()
	push := sdkmetric.NewPeriodicReader(client, sdkmetric.WithInterval(time.Hour),
		sdkmetric.WithProducer(prombridge.NewMetricProducer(prombridge.WithGatherer(bridged))))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(pull), sdkmetric.WithReader(push),
		sdkmetric.WithView(View), sdkmetric.WithExemplarFilter(exemplar.AlwaysOnFilter))
	tb.Cleanup(func() { shutdown(tb, provider.Shutdown) })

	mux := http.NewServeMux()
	Routes(mux)
	gatherers := prometheus.Gatherers{registry, bridged}
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	handler := otelhttp.NewHandler(mux, "server", otelhttp.WithMeterProvider(provider),
		otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/metrics" }))
	s := newService(tb, handler, provider, bridged)
	s.Flush = provider.ForceFlush
	return s
}

// newService serves handler and makes the instruments.
func newService(tb testing.TB, handler http.Handler, provider metric.MeterProvider, registerer prometheus.Registerer) *Service {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	tb.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	address := l.Addr().String()
	return &Service{
		Instruments: NewInstruments(provider, registerer), Load: NewLoad("http://" + address),
		Address: address, URL: "http://" + address, Metrics: "http://" + address + "/metrics",
	}
}

// shutdown allows for a backend that is gone.
func shutdown(tb testing.TB, stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := stop(ctx); err != nil {
		tb.Logf("shutdown: %v", err)
	}
}
