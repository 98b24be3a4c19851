package middleware_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/duotel/duotel/middleware"
)

// routesOf counts the requests that were recorded, by route.
func routesOf(t *testing.T, m *meters) map[string]uint64 {
	t.Helper()
	got := map[string]uint64{}
	for _, p := range m.points(t, requestDuration) {
		got[p.label("http.route")] += p.count
	}
	return got
}

func requireRoutes(t *testing.T, m *meters, want map[string]uint64) {
	t.Helper()
	got := routesOf(t, m)
	for route, n := range want {
		if got[route] != n {
			t.Errorf("requests by route: %v, want %v", got, want)
		}
	}
	if len(got) != len(want) {
		t.Errorf("requests by route: %v, want %v", got, want)
	}
}

func nothing(http.ResponseWriter, *http.Request) {}

// What a request may lack, and what may be in front of it.
func TestUnusualRequests(t *testing.T) {
	t.Run("excluded", func(t *testing.T) {
		m := newMeters(t)
		h := newMiddleware(t, m).Handler(http.HandlerFunc(nothing))
		for _, path := range []string{"/page", "/metrics", "/healthz", "/xxxxxxx"} {
			h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", path))
		}
		requireRoutes(t, m, map[string]uint64{"unmatched": 2})
	})
	t.Run("no URL", func(t *testing.T) {
		m := newMeters(t)
		h := newMiddleware(t, m).Handler(http.HandlerFunc(nothing))
		for _, pattern := range []string{"", "", "/page"} {
			r := newRequest(t, "GET", "/")
			r.URL, r.Pattern = nil, pattern
			h.ServeHTTP(newPlainWriter(), r)
		}
		requireRoutes(t, m, map[string]uint64{"unmatched": 2, "/page": 1})
	})
	t.Run("a wrapper", func(t *testing.T) {
		m := newMeters(t)
		mw := newMiddleware(t, m)
		inner := mw.Handler(http.HandlerFunc(nothing))
		h := mw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(wrapped{w}, r) }))
		for range 3 {
			h.ServeHTTP(wrapped{newPlainWriter()}, newRequest(t, "GET", "/page"))
		}
		requireRoutes(t, m, map[string]uint64{"unmatched": 3})
	})
}

// A route that is told by name is another one than the pattern it is told for.
func TestToldRoutes(t *testing.T) {
	const whole = "/told/and/long"
	set := map[string]string{"pattern": "POST /c", "long": whole, "short": whole[:len("/told")]}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /c", func(w http.ResponseWriter, r *http.Request) {
		if route := set[r.URL.RawQuery]; route != "" {
			middleware.SetRoute(w, route)
		}
	})
	m := newMeters(t)
	h := newMiddleware(t, m).Handler(mux)
	for _, query := range []string{"", "pattern", "long", "short", "short", "long", "pattern", ""} {
		h.ServeHTTP(newPlainWriter(), newRequest(t, "POST", "/c?"+query))
	}
	requireRoutes(t, m, map[string]uint64{"/c": 2, "POST /c": 2, whole: 2, "/told": 2})
}

func TestBodiesOfAnyKind(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/c", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(io.Discard, r.Body, 3) })
	m := newMeters(t)
	h := newMiddleware(t, m).Handler(mux)
	own := io.NopCloser(strings.NewReader("abcdef"))
	for _, body := range []io.ReadCloser{own, http.NoBody} {
		r := newRequest(t, "POST", "/c")
		r.Body, r.ContentLength = body, 77
		h.ServeHTTP(newPlainWriter(), r)
		if r.Body != body {
			t.Errorf("net/http finds %T in its request, which was %T", r.Body, body)
		}
	}
	if got := m.points(t, requestSize); len(got) != 1 || got[0].count != 2 || got[0].sum != 3+77 {
		t.Errorf("%s: %+v, want 3 bytes that were read and 77 that were announced", requestSize, got)
	}
}

// Handlers of one Middleware share its recorders, and nothing else.
func TestHandlersTakeTurns(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}", nothing)
	m := newMeters(t)
	mw := newMiddleware(t, m, middleware.WithMux(mux))
	direct := mw.Handler(mux)
	hidden := mw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(w, r.Clone(r.Context())) }))
	for range 10 {
		direct.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/items/1"))
		hidden.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/items/1"))
	}
	requireRoutes(t, m, map[string]uint64{"/items/{id}": 20})
}

// Excluded requests get no Labeler: they stay as they are.
func TestLabelerOfExcludedRequests(t *testing.T) {
	m := newMeters(t)
	r := newRequest(t, "GET", "/metrics")
	h := newMiddleware(t, m, middleware.WithLabeler()).Handler(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
		if got != r {
			t.Error("the request is a copy")
		}
	}))
	h.ServeHTTP(newPlainWriter(), r)
	requireRoutes(t, m, nil)
}
