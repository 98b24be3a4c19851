package vocabulary_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

// BenchmarkRewrite is what a collection pays.
func BenchmarkRewrite(b *testing.B) {
	m := newMeters(b)
	rng := rand.New(rand.NewPCG(1, 1))
	requests := make([]request, 2000)
	for i := range requests {
		requests[i] = randomRequest(rng)
	}
	record(b, m, requests, vocabulary.DurationBuckets(vocabulary.Both))
	var rm metricdata.ResourceMetrics
	if err := m.reader.Collect(b.Context(), &rm); err != nil {
		b.Fatal(err)
	}
	for _, names := range []vocabulary.Names{vocabulary.Semconv, vocabulary.Classic, vocabulary.Both} {
		b.Run(string(names), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				vocabulary.Rewrite(rm.ScopeMetrics, names)
			}
		})
	}
}

// BenchmarkRequest is what a request pays: the same under every vocabulary, but for two bounds more.
func BenchmarkRequest(b *testing.B) {
	for _, names := range []vocabulary.Names{vocabulary.Semconv, vocabulary.Classic, vocabulary.Both} {
		b.Run(string(names), func(b *testing.B) {
			mw, err := middleware.New(middleware.WithMeterProvider(newMeters(b)), middleware.WithDurationBuckets(vocabulary.DurationBuckets(names)...))
			if err != nil {
				b.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.HandleFunc("/items/{id}", func(http.ResponseWriter, *http.Request) {})
			h, w, r := mw.Handler(mux), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
