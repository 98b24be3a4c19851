package instrumented

import (
	"context"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/duotel/duotel/telemetry"
)

func newDuotel(name string, opts ...telemetry.Option) Handler {
	return newDuotelNamed(name, telemetry.HTTPNamesSemconv, opts...)
}

// newDuotelNamed exports the vocabulary names.
func newDuotelNamed(name string, names telemetry.HTTPNames, opts ...telemetry.Option) Handler {
	s, shutdown := newSDK(names, opts...)
	return Handler{name, s.Middleware(service()), shutdown}
}

func newSDK(names telemetry.HTTPNames, opts ...telemetry.Option) (s *telemetry.SDK, shutdown func()) {
	ctx := context.Background()
	opts = append(opts, telemetry.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	s = must(telemetry.New(ctx, telemetry.Config{ServiceName: "bench", HTTP: telemetry.HTTPConfig{Names: names}}, opts...))
	return s, func() { _ = s.Shutdown(ctx) }
}

func newDuotelTraced(name string) Handler {
	tp := newTracerProvider()
	h := newDuotel(name, telemetry.WithTracerProvider(tp))
	return Handler{name, h.HTTP, func() {
		h.Close()
		_ = tp.Shutdown(context.Background())
	}}
}

// newOTelHTTP has otelhttp's three instruments on the SDK with one reader, where meter is true.
func newOTelHTTP(name string, meter, spans bool) Handler {
	var meters metric.MeterProvider = metricnoop.NewMeterProvider()
	var tracers trace.TracerProvider = tracenoop.NewTracerProvider()
	var closers []func(context.Context) error
	if meter {
		reader := must(otelprom.New(otelprom.WithRegisterer(prometheus.NewRegistry())))
		mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		meters, closers = mp, append(closers, mp.Shutdown)
	}
	if spans {
		tp := newTracerProvider()
		tracers, closers = tp, append(closers, tp.Shutdown)
	}
	h := otelhttp.NewHandler(service(), "HTTP", otelhttp.WithMeterProvider(meters), otelhttp.WithTracerProvider(tracers))
	return Handler{name, h, func() {
		for _, c := range closers {
			_ = c(context.Background())
		}
	}}
}

// newTracerProvider samples every span and throws it away when it has ended.
func newTracerProvider() *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(discard{}))
}

// discard is a span processor that does nothing.
type discard struct{}

func (discard) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (discard) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (discard) Shutdown(context.Context) error                  { return nil }
func (discard) ForceFlush(context.Context) error                { return nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic("instrumented: " + err.Error())
	}
	return v
}
