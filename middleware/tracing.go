package middleware

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// otelhttpOptions is otelhttp with its spans and without its metrics.
func (c *config) otelhttpOptions() []otelhttp.Option {
	opts := []otelhttp.Option{
		otelhttp.WithTracerProvider(c.tracers),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
	}
	if c.propagators != nil {
		opts = append(opts, otelhttp.WithPropagators(c.propagators))
	}
	return opts
}

// tracedHandler puts otelhttp around h where there is a tracer provider. h is inside, so that its
// exemplars can name the span, and so that it sees the same request as otelhttp.
func (c *config) tracedHandler(h http.Handler) http.Handler {
	if c.tracers == nil {
		return h
	}
	return otelhttp.NewHandler(h, "HTTP", c.otelhttpOptions()...)
}

// annotateSpan tells the span what otelhttp cannot know: a route that was found out late, and how the request ended.
// otelhttp names the span after r.Pattern, in a copy of the request that no handler has.
func annotateSpan(r *http.Request, route string, k seriesKey, panicked bool) {
	span := trace.SpanFromContext(r.Context())
	r.Pattern = ""
	if route != UnmatchedRoute {
		r.Pattern = route
		span.SetAttributes(semconv.HTTPRoute(route))
	}
	if e := k.errorType(); e != "" {
		span.SetAttributes(semconv.ErrorTypeKey.String(e))
	}
	if panicked {
		span.SetStatus(codes.Error, "the handler panicked")
	}
}
