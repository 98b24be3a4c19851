package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/duotel/duotel/telemetry"
)

// newTracing is a tracer provider, and what has ended of its spans.
func newTracing(t *testing.T, sampler trace.Sampler) (*trace.TracerProvider, *tracetest.SpanRecorder) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(recorder), trace.WithSampler(sampler))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return provider, recorder
}

// roundTrip sends one request from an SDK's Transport to its Middleware.
func roundTrip(t *testing.T, sdk *telemetry.SDK) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(sdk.Middleware(mux))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	res, err := (&http.Client{Transport: sdk.Transport(base)}).Get(server.URL + "/items/7")
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

// spanNames are the names of the spans that have ended, by kind.
func spanNames(recorder *tracetest.SpanRecorder) map[string]string {
	names := map[string]string{}
	for _, span := range recorder.Ended() {
		names[span.SpanKind().String()] = span.Name()
	}
	return names
}

// TestTracerProviderGetsSpans has a span of each side, and an SDK without tracing that has none.
func TestTracerProviderGetsSpans(t *testing.T) {
	provider, recorder := newTracing(t, trace.AlwaysSample())
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop"}, telemetry.WithTracerProvider(provider))
	roundTrip(t, sdk)
	if names := spanNames(recorder); names["server"] != "GET /items/{id}" || !strings.HasPrefix(names["client"], "HTTP GET") && names["client"] != "GET" {
		t.Errorf("the spans are %v, want one of each side", names)
	}
	if sdk.TracerProvider() != provider {
		t.Errorf("TracerProvider returns a %T", sdk.TracerProvider())
	}
	without, _ := newSDK(t, telemetry.Config{ServiceName: "shop"})
	if _, ok := without.TracerProvider().(tracenoop.TracerProvider); !ok {
		t.Errorf("without tracing TracerProvider returns a %T", without.TracerProvider())
	}
}

// TestSetGlobalTracerProvider sets the global tracer provider where there is one, and else leaves it alone.
func TestSetGlobalTracerProvider(t *testing.T) {
	before, _ := newTracing(t, trace.NeverSample())
	t.Cleanup(func() {
		otel.SetMeterProvider(metricnoop.NewMeterProvider())
		otel.SetTracerProvider(tracenoop.NewTracerProvider())
	})
	otel.SetTracerProvider(before)
	without, _ := newSDK(t, telemetry.Config{ServiceName: "shop"})
	without.SetGlobal()
	if otel.GetTracerProvider() != before {
		t.Errorf("SetGlobal without tracing has set a %T", otel.GetTracerProvider())
	}
	provider, _ := newTracing(t, trace.AlwaysSample())
	with, _ := newSDK(t, telemetry.Config{ServiceName: "shop"}, telemetry.WithTracerProvider(provider))
	with.SetGlobal()
	if otel.GetTracerProvider() != provider || otel.GetMeterProvider() != with.MeterProvider() {
		t.Errorf("the global providers are a %T and a %T", otel.GetTracerProvider(), otel.GetMeterProvider())
	}
}

// TestExemplars records inside a span and reads the OpenMetrics page. Without tracing exemplars are off.
func TestExemplars(t *testing.T) {
	cases := map[string]struct {
		filter    telemetry.ExemplarFilter
		sampler   trace.Sampler
		untraced  bool // the SDK has no tracer provider; the span is somebody else's
		exemplars bool
	}{
		"default":                             {"", trace.AlwaysSample(), false, true},
		"default, the span is not sampled":    {"", trace.NeverSample(), false, false},
		"default, no tracing":                 {"", trace.AlwaysSample(), true, false},
		"trace_based, no tracing":             {telemetry.ExemplarTraceBased, trace.AlwaysSample(), true, true},
		"trace_based, the span isn't sampled": {telemetry.ExemplarTraceBased, trace.NeverSample(), false, false},
		"always_on, the span is not sampled":  {telemetry.ExemplarAlwaysOn, trace.NeverSample(), false, true},
		"always_off":                          {telemetry.ExemplarAlwaysOff, trace.AlwaysSample(), false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			provider, _ := newTracing(t, c.sampler)
			var opts []telemetry.Option
			if !c.untraced {
				opts = append(opts, telemetry.WithTracerProvider(provider))
			}
			sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", ExemplarFilter: c.filter}, opts...)
			ctx, span := provider.Tracer("app").Start(t.Context(), "job")
			must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(ctx, 1)
			must(sdk.MeterProvider().Meter("app").Float64Histogram("wait")).Record(ctx, 1)
			span.End()
			id, found := span.SpanContext().TraceID().String(), 0
			for _, s := range seriesIn(t, sdk, formats["OpenMetrics"]) {
				if strings.Contains(s, ` # {`) && strings.Contains(s, `trace_id="`+id+`"`) {
					found++
				}
			}
			if want := map[bool]int{true: 2}[c.exemplars]; found != want {
				t.Errorf("%d series have the trace, want %d", found, want)
			}
		})
	}
}

// TestMiddlewareExemplar finds the trace of a request at its duration.
func TestMiddlewareExemplar(t *testing.T) {
	provider, recorder := newTracing(t, trace.AlwaysSample())
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop"}, telemetry.WithTracerProvider(provider))
	roundTrip(t, sdk)
	trace := recorder.Ended()[0].SpanContext().TraceID().String()
	for _, s := range seriesIn(t, sdk, formats["OpenMetrics"]) {
		if strings.HasPrefix(s, "http_server_request_duration_seconds_bucket{") && strings.Contains(s, `trace_id="`+trace+`"`) {
			return
		}
	}
	t.Error("no duration has the trace of its request")
}
