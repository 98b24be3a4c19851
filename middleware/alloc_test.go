package middleware_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duotel/duotel/middleware"
)

// steady are requests that a service sees all day, on writers as servers have them.
func steady(tb testing.TB) []struct {
	name   string
	w      http.ResponseWriter
	r      *http.Request
	copies float64 // of the request: a handler that gets a body of ours gets a request of its own
} {
	tb.Helper()
	recorder := httptest.NewRecorder()
	recorder.Body = nil
	upload := newRequest(tb, "POST", "/upload")
	upload.Body, upload.ContentLength = io.NopCloser(strings.NewReader("")), 5
	return []struct {
		name   string
		w      http.ResponseWriter
		r      *http.Request
		copies float64
	}{
		{"matched", newPlainWriter(), newRequest(tb, "GET", "/items/7"), 0},
		{"flusher", recorder, newRequest(tb, "GET", "/items/7"), 0},
		{"body", newPlainWriter(), upload, 1},
		{"nested mux", newPlainWriter(), newRequest(tb, "GET", "/api/items/7"), 0},
		{"catch-all", newPlainWriter(), newRequest(tb, "GET", "/nope"), 0},
		{"stream", recorder, newRequest(tb, "GET", "/stream"), 0},
		{"excluded", newPlainWriter(), newRequest(tb, "GET", "/metrics"), 0},
	}
}

func steadyMux(nest func(http.Handler) http.Handler) *http.ServeMux {
	answer := []byte("ok")
	leaf := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }
	inner := http.NewServeMux()
	inner.HandleFunc("GET /items/{id}", leaf)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", leaf)
	mux.HandleFunc("/upload", leaf)
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() })
	mux.HandleFunc("/", leaf)
	mux.Handle("/api/", http.StripPrefix("/api", nest(inner)))
	return mux
}

func TestNoAllocationInSteadyState(t *testing.T) {
	bare := steadyMux(func(h http.Handler) http.Handler { return h })
	mw := newMiddleware(t, newMeters(t))
	measured := mw.Handler(steadyMux(middleware.Routes))
	for _, tt := range steady(t) {
		t.Run(tt.name, func(t *testing.T) {
			allocs := func(h http.Handler) float64 {
				return testing.AllocsPerRun(500, func() {
					tt.r.Pattern = "" // as a server's requests have it
					h.ServeHTTP(tt.w, tt.r)
				})
			}
			want, got := allocs(bare), allocs(measured)
			if got > want+tt.copies+poolAllocs {
				t.Errorf("%g allocations a request, the bare handler has %g", got, want)
			}
		})
	}
}

func BenchmarkHandler(b *testing.B) {
	mux := steadyMux(middleware.Routes)
	onBound, err := middleware.New(middleware.WithMeterProvider(boundProvider()))
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]http.Handler{
		"bare": mux, "measured": newMiddleware(b, newMeters(b)).Handler(mux), "bound": onBound.Handler(mux),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w, r := newPlainWriter(), newRequest(b, "GET", "/items/7")
			for b.Loop() {
				r.Pattern = "" // as a server's requests have it
				h.ServeHTTP(w, r)
			}
		})
	}
}
