package middleware_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/middleware"
)

// overAll runs a test against a real server and its client, over each of the protocols.
func overAll(t *testing.T, name string, test func(t *testing.T, proto protocol)) {
	t.Helper()
	for _, proto := range protocols {
		t.Run(proto.name+"/"+name, func(t *testing.T) { test(t, proto) })
	}
}

// TestF23UndeclaredPaths leaves room for the declared routes, the one of all others, and nothing more.
func TestF23UndeclaredPaths(t *testing.T) {
	const undeclared, declared = 5000, 20
	mux := http.NewServeMux()
	want := []string{middleware.UnmatchedRoute}
	for i := range declared {
		want = append(want, fmt.Sprintf("/route-%02d/{id}", i))
		mux.Handle("GET "+want[i+1], leaf)
	}
	slices.Sort(want)
	overAll(t, "5000 paths", func(t *testing.T, proto protocol) {
		// The SDK keeps one of its series for the overflow.
		m := newLimitedMeters(t, declared+2)
		s := serve(t, proto, newMiddleware(t, m).Handler(mux))
		for i := range undeclared {
			fetch(t, s, "GET", fmt.Sprintf("/undeclared-%d", i), nil)
		}
		for i := range declared {
			fetch(t, s, "GET", fmt.Sprintf("/route-%02d/7", i), nil)
		}
		s.Close()
		if got := values(t, m, requestDuration, "http.route"); !slices.Equal(got, want) {
			t.Errorf("the routes are %q, want %q", got, want)
		}
		for _, p := range m.points(t, requestDuration) {
			n := uint64(1)
			if p.label("http.route") == middleware.UnmatchedRoute {
				n = undeclared
			}
			if p.count != n {
				t.Errorf("%s has %d requests, want %d", p.label("http.route"), p.count, n)
			}
		}
	})
}

func TestF24RouteOverTheNetwork(t *testing.T) {
	items := itemsMux()
	nested := func(inner http.Handler) http.Handler {
		return muxOf(map[string]http.Handler{"/api/": http.StripPrefix("/api", inner)})
	}
	catchAll := muxOf(map[string]http.Handler{"/": leaf, "GET /items/{id}": leaf})
	tests := []struct {
		name, path string
		handler    http.Handler
		opts       []middleware.Option
		want       string
	}{
		{"copied, Routes", "/items/7", copying(middleware.Routes(items)), nil, "/items/{id}"},
		{"copied, Routes, not found", "/nope", copying(middleware.Routes(items)), nil, "unmatched"},
		{"copied, WithMux", "/items/7", copying(items), []middleware.Option{middleware.WithMux(items)}, "/items/{id}"},
		{"nested", "/api/items/7", nested(middleware.Routes(items)), nil, "/api/items/{id}"},
		{"nested, home page", "/api/", nested(middleware.Routes(items)), nil, "/api/{$}"},
		{"nested, not found", "/api/nope", nested(middleware.Routes(items)), nil, "unmatched"},
		{"nested and copied", "/api/items/7", nested(copying(middleware.Routes(items))), nil, "/api/items/{id}"},
		{"catch-all, home page", "/", catchAll, nil, "/"},
		{"catch-all, anything else", "/wp-login.php", catchAll, nil, "unmatched"},
		{"catch-all, beside a route", "/items/7", catchAll, nil, "/items/{id}"},
	}
	for _, tt := range tests {
		overAll(t, tt.name, func(t *testing.T, proto protocol) {
			m := newMeters(t)
			s := serve(t, proto, newMiddleware(t, m, tt.opts...).Handler(tt.handler))
			fetch(t, s, "GET", tt.path, nil)
			s.Close()
			ps := m.points(t, requestDuration)
			if len(ps) != 1 || ps[0].count != 1 || ps[0].label("http.route") != tt.want {
				t.Errorf("recorded %+v, want one request of route %q", ps, tt.want)
			}
		})
	}
}

// TestF26SizesOverTheNetwork sends bodies that are read and sent back.
func TestF26SizesOverTheNetwork(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	})
	tests := []struct {
		size  int
		bound float64 // the upper one of the size's bucket
	}{{0, 100}, {100, 100}, {101, 1e3}, {50_000, 1e5}, {1_000_000, 1e6}, {1 << 20, 1e7}}
	for _, tt := range tests {
		overAll(t, fmt.Sprint(tt.size), func(t *testing.T, proto protocol) {
			m := newMeters(t)
			s := serve(t, proto, newMiddleware(t, m).Handler(echo))
			fetch(t, s, "POST", "/", strings.NewReader(strings.Repeat("x", tt.size)))
			s.Close()
			for _, name := range []string{requestSize, responseSize} {
				checkSum(t, m, name, float64(tt.size))
				p := sizePoint(t, m, name)
				i := slices.Index(p.Bounds, tt.bound)
				if i < 0 || p.BucketCounts[i] != 1 {
					t.Errorf("%s has %v under %v, want one up to %g", name, p.BucketCounts, p.Bounds, tt.bound)
				}
				if last := p.Bounds[len(p.Bounds)-1]; last != 1e8 || len(p.Bounds) > 10 {
					t.Errorf("the bounds of %s are %v, want few that reach 1e8", name, p.Bounds)
				}
			}
		})
	}
}

// sizePoint is the only series of a histogram of bytes, with its buckets.
func sizePoint(t *testing.T, m *meters, name string) metricdata.HistogramDataPoint[int64] {
	t.Helper()
	for _, scope := range m.collect(t) {
		for _, metric := range scope.Metrics {
			if h, ok := metric.Data.(metricdata.Histogram[int64]); ok && metric.Name == name && len(h.DataPoints) == 1 {
				return h.DataPoints[0]
			}
		}
	}
	t.Fatalf("%s has not one series", name)
	return metricdata.HistogramDataPoint[int64]{}
}

// TestF27ExcludedOverTheNetwork asks for a scrape, health checks and a page, each seen from its handler too.
func TestF27ExcludedOverTheNetwork(t *testing.T) {
	excluded := []string{"/metrics", "/health", "/healthz", "/livez", "/readyz", "/-/healthy", "/-/ready"}
	paths := append(slices.Clone(excluded), "/page", "/internal/ping")
	tests := []struct {
		name     string
		opts     []middleware.Option
		recorded []string
	}{
		{"default", nil, []string{"/internal/ping", "/page"}},
		{"configured", []middleware.Option{middleware.WithExcludedPaths(append(slices.Clone(excluded), "/internal/ping")...)}, []string{"/page"}},
	}
	for _, tt := range tests {
		overAll(t, tt.name, func(t *testing.T, proto protocol) {
			m := newMeters(t)
			mux := http.NewServeMux()
			for _, path := range paths {
				mux.HandleFunc(path, func(http.ResponseWriter, *http.Request) {
					active := 0.
					if slices.Contains(tt.recorded, path) {
						active = 1
					}
					checkTotal(t, m, activeRequests, active)
				})
			}
			s := serve(t, proto, newMiddleware(t, m, tt.opts...).Handler(mux))
			for _, path := range paths {
				if status, _ := fetch(t, s, "GET", path, nil); status != http.StatusOK {
					t.Errorf("%s was answered with %d", path, status)
				}
				// The next handler must not find this request still active.
				s.handlers.Wait()
			}
			s.Close()
			for _, name := range []string{requestDuration, requestSize, responseSize} {
				if got := values(t, m, name, "http.route"); !slices.Equal(got, tt.recorded) {
					t.Errorf("%s has the routes %q, want %q", name, got, tt.recorded)
				}
			}
		})
	}
}
