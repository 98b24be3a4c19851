package middleware_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/middleware"
)

// leaf is a handler with nothing to say.
var leaf = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

type contextKey struct{}

// copying is any middleware that gives the next handler a request of its own.
func copying(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, 1)))
	})
}

func muxOf(routes map[string]http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.Handle(pattern, h)
	}
	return mux
}

func itemsMux() *http.ServeMux {
	return muxOf(map[string]http.Handler{"GET /items/{id}": leaf, "GET example.com/host": leaf, "/dir/": leaf, "/{$}": leaf})
}

// TestF24RouteSurvives sends one request through a chain of handlers and wants its route.
func TestF24RouteSurvives(t *testing.T) {
	items, api := itemsMux(), func(inner http.Handler) http.Handler {
		return muxOf(map[string]http.Handler{"/api/": http.StripPrefix("/api", inner)})
	}
	catchAll := muxOf(map[string]http.Handler{"/": leaf})
	tests := []struct {
		name, method, path string
		opts               []middleware.Option
		chain              func(*middleware.Middleware) http.Handler
		want               string
	}{
		{"match", "GET", "/items/7", nil, nil, "/items/{id}"},
		{"host pattern", "GET", "http://example.com/host", nil, nil, "/host"},
		{"end anchor", "GET", "/", nil, nil, "/{$}"},
		{"not found", "GET", "/nope", nil, nil, "unmatched"},
		{"method not allowed", "POST", "/items/7", nil, nil, "unmatched"},
		{"redirect", "GET", "/dir", nil, nil, "/dir/"},
		{"redirect of CONNECT", "CONNECT", "/dir", nil, nil, "unmatched"},
		{"redirect of CONNECT to an escaped slash", "CONNECT", "/x%2F", nil, func(m *middleware.Middleware) http.Handler {
			return m.Handler(muxOf(map[string]http.Handler{"/{tenant}/": leaf}))
		}, "unmatched"},
		{"asterisk", "OPTIONS", "*", nil, nil, "unmatched"},
		{"catch-all, home page", "GET", "/", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(catchAll) }, "/"},
		{"catch-all, anything else", "GET", "/wp-login.php", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(catchAll) }, "unmatched"},
		{"copied, unknown", "GET", "/items/7", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(copying(items)) }, "unmatched"},
		{"copied, WithMux", "GET", "/items/7", []middleware.Option{middleware.WithMux(items)}, func(m *middleware.Middleware) http.Handler { return m.Handler(copying(items)) }, "/items/{id}"},
		{"copied, WithMux, not found", "GET", "/nope", []middleware.Option{middleware.WithMux(items)}, func(m *middleware.Middleware) http.Handler { return m.Handler(copying(items)) }, "unmatched"},
		{"copied, Routes", "GET", "/items/7", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(copying(middleware.Routes(items))) }, "/items/{id}"},
		{"copied, Routes, not found", "GET", "/nope", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(copying(middleware.Routes(items))) }, "unmatched"},
		{"copied, the same middleware inside", "GET", "/items/7", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(copying(m.Handler(items))) }, "/items/{id}"},
		{"mux in mux", "GET", "/items/7", nil, func(m *middleware.Middleware) http.Handler {
			return m.Handler(muxOf(map[string]http.Handler{"/items/": items}))
		}, "/items/{id}"},
		{"stripped, not told", "GET", "/api/items/7", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(api(items)) }, "/api/"},
		{"stripped", "GET", "/api/items/7", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(api(middleware.Routes(items))) }, "/api/items/{id}"},
		{"stripped, not found", "GET", "/api/nope", nil, func(m *middleware.Middleware) http.Handler { return m.Handler(api(middleware.Routes(items))) }, "unmatched"},
		{"stripped twice", "GET", "/api/api/items/7", nil, func(m *middleware.Middleware) http.Handler {
			return m.Handler(api(middleware.Routes(api(middleware.Routes(items)))))
		}, "/api/api/items/{id}"},
		{"stripped in part", "GET", "/api/items/7", nil, func(m *middleware.Middleware) http.Handler {
			return m.Handler(muxOf(map[string]http.Handler{"/api/items/": http.StripPrefix("/api", middleware.Routes(items))}))
		}, "/api/items/{id}"},
		{"middleware inside a mux", "GET", "/api/items/7", nil, func(m *middleware.Middleware) http.Handler { return api(m.Handler(items)) }, "/api/items/{id}"},
		{"middleware around a leaf", "GET", "/items/7", nil, func(m *middleware.Middleware) http.Handler {
			return muxOf(map[string]http.Handler{"GET /items/{id}": m.Handler(leaf)})
		}, "/items/{id}"},
		{"wildcards are stripped as wildcards", "GET", "/acme/items/7", nil, func(m *middleware.Middleware) http.Handler {
			return m.Handler(muxOf(map[string]http.Handler{"/{tenant}/": http.StripPrefix("/acme", middleware.Routes(items))}))
		}, "/{tenant}/items/{id}"},
		{"another router", "GET", "/items/7", nil, func(m *middleware.Middleware) http.Handler {
			return m.Handler(copying(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { middleware.SetRoute(w, "/items/:id") })))
		}, "/items/:id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeters(t)
			mw := newMiddleware(t, m, tt.opts...)
			h := mw.Handler(items)
			if tt.chain != nil {
				h = tt.chain(mw)
			}
			h.ServeHTTP(newPlainWriter(), newRequest(t, tt.method, tt.path))
			ps := m.points(t, requestDuration)
			if len(ps) != 1 || ps[0].count != 1 || ps[0].label("http.route") != tt.want {
				t.Errorf("recorded %+v, want one request of route %q", ps, tt.want)
			}
		})
	}
}

func TestRoutesOutsideOfMiddleware(t *testing.T) {
	w := newPlainWriter()
	middleware.Routes(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if middleware.SetRoute(w, "/x") {
			t.Error("SetRoute found a middleware where there is none")
		}
		w.WriteHeader(http.StatusTeapot)
	})).ServeHTTP(w, newRequest(t, "GET", "/"))
	if w.status != http.StatusTeapot {
		t.Errorf("the handler's status is %d", w.status)
	}
}

// TestTwoMiddlewaresOfOneProvider: they record the same series, so a request that goes through both is counted once, by the
// outer one, with the route that the inner one knows.
func TestTwoMiddlewaresOfOneProvider(t *testing.T) {
	for name, around := range map[string]func(http.Handler) http.Handler{
		"next to each other": func(h http.Handler) http.Handler { return h },
		"a copy in between":  copying,
		"a wrapper in between": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapped{w}, r) })
		},
	} {
		overChains(t, name+", ", func(t *testing.T, proto protocol, opts []middleware.Option) {
			m := newMeters(t)
			mux := muxOf(map[string]http.Handler{"/items/{id}": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })})
			inner := newMiddleware(t, m, opts...).Handler(newMiddleware(t, m, opts...).Handler(mux))
			s := serve(t, proto, newMiddleware(t, m, opts...).Handler(around(inner)))
			fetch(t, s, "GET", "/items/7", nil)
			fetch(t, s, "POST", "/items/7", strings.NewReader("0123456789"))
			s.Close()
			requireRoutes(t, m, map[string]uint64{"/items/{id}": 2})
			checkTotal(t, m, requestSize, 10)
			checkTotal(t, m, activeRequests, 0)
		})
	}
}

// TestInnerMiddlewareOfAnExcludedRequest: what the outer one leaves out is the inner one's.
func TestInnerMiddlewareOfAnExcludedRequest(t *testing.T) {
	m := newMeters(t)
	h := newMiddleware(t, m).Handler(newMiddleware(t, m, middleware.WithExcludedPaths()).Handler(muxOf(map[string]http.Handler{"/metrics": http.NotFoundHandler()})))
	h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/metrics"))
	requireRoutes(t, m, map[string]uint64{"/metrics": 1})
}

// TestProviderThatCannotBeCompared must not panic where two providers are.
func TestProviderThatCannotBeCompared(t *testing.T) {
	m := newMeters(t)
	one := newMiddleware(t, m, middleware.WithMeterProvider(incomparable{m, nil}))
	two := newMiddleware(t, m, middleware.WithMeterProvider(incomparable{m, nil}))
	one.Handler(two.Handler(itemsMux())).ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/items/7"))
	requireRoutes(t, m, map[string]uint64{"/items/{id}": 2}) // nothing says that they are one
}

type incomparable struct {
	metric.MeterProvider
	_ []int
}

func TestTwoMiddlewaresEachRecord(t *testing.T) {
	m1, m2 := newMeters(t), newMeters(t)
	h := newMiddleware(t, m1).Handler(newMiddleware(t, m2).Handler(itemsMux()))
	h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/items/7"))
	for i, m := range []*meters{m1, m2} {
		if ps := m.points(t, requestDuration); len(ps) != 1 || ps[0].count != 1 || ps[0].label("http.route") != "/items/{id}" {
			t.Errorf("middleware %d recorded %+v, want one request of /items/{id}", i+1, ps)
		}
	}
}
