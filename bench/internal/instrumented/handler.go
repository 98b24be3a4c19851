// Package instrumented has the same small service behind each way of measuring HTTP requests.
package instrumented

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	slokprom "github.com/slok/go-http-metrics/metrics/prometheus"
	"github.com/slok/go-http-metrics/middleware"
	"github.com/slok/go-http-metrics/middleware/std"

	"github.com/duotel/duotel/telemetry"
)

// The names of the ways.
const (
	Bare          = "bare handler"
	Duotel        = "duotel"
	DuotelBoth    = "duotel, both vocabularies"
	OTelHTTP      = "otelhttp"
	Slok          = "slok/go-http-metrics"
	Promhttp      = "promhttp, four handlers"
	DuotelSpans   = "duotel, tracing on"
	OTelHTTPSpans = "otelhttp, tracing on, meter on"
	SpansOnly     = "otelhttp, tracing on, meter off"
)

// Handler is the service behind one of the ways. Close releases what measures it.
type Handler struct {
	Name  string
	HTTP  http.Handler
	Close func()
}

// Path is what the service answers to, and pattern the route it has there.
const (
	Path    = "/items/17"
	pattern = "/items/{id}"
)

var ok = []byte("ok")

// service is a mux with one route that does next to nothing.
func service() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(ok) })
	return mux
}

// All is the service behind every way of measuring it, the bare one first, tracing off.
func All() []Handler {
	return []Handler{{Bare, service(), func() {}}, newDuotel(Duotel), newOTelHTTP(OTelHTTP, true, false), newSlok(), newPromhttp()}
}

// Traced is the service behind the ways that also make spans, every one of them sampled.
func Traced() []Handler {
	return []Handler{
		{Bare, service(), func() {}},
		newDuotelTraced(DuotelSpans),
		newOTelHTTP(OTelHTTPSpans, true, true), newOTelHTTP(SpansOnly, false, true),
	}
}

// Vocabularies is the service behind Duotel with either vocabulary of metrics, the bare one first.
func Vocabularies() []Handler {
	return []Handler{{Bare, service(), func() {}}, newDuotel(Duotel), newDuotelNamed(DuotelBoth, telemetry.HTTPNamesBoth)}
}

// newSlok has slok's three instruments: duration, response size, requests in flight.
func newSlok() Handler {
	m := middleware.New(middleware.Config{Recorder: slokprom.NewRecorder(slokprom.Config{Registry: prometheus.NewRegistry()})})
	return Handler{Slok, std.Handler(pattern, m, service()), func() {}}
}

// newPromhttp measures what Duotel does: duration, both sizes, requests in flight.
func newPromhttp() Handler {
	registry := prometheus.NewRegistry()
	labels := []string{"method", "code"}
	sizes := prometheus.ExponentialBuckets(100, 10, 7)
	active := prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_requests_inprogress"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds"}, labels)
	request := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_size_bytes", Buckets: sizes}, labels)
	response := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_response_size_bytes", Buckets: sizes}, labels)
	registry.MustRegister(active, duration, request, response)
	h := promhttp.InstrumentHandlerInFlight(active,
		promhttp.InstrumentHandlerDuration(duration,
			promhttp.InstrumentHandlerRequestSize(request,
				promhttp.InstrumentHandlerResponseSize(response, service()))))
	return Handler{Promhttp, h, func() {}}
}
