package middleware_test

import (
	"net/http"
	"net/url"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/duotel/duotel/middleware"
)

// maxHostileSeries is every combination of what the middleware tells apart in the handlers below: 11
// methods, 5 versions of the protocol, 2 schemes, 10 routes, and 4 statuses (200, 301 or 307, 404, 405).
const maxHostileSeries = 11 * 5 * 2 * 10 * 4

// FuzzHostileRequest sends requests as no client library would. All of them go through one middleware, so
// that what they leave behind adds up.
func FuzzHostileRequest(f *testing.F) {
	for _, path := range []string{"/items/7", "/", "//", "/api/items/7", "/dir", "/nope", "*", "", "/items/%2f", "/a/../items/1", "/\xff"} {
		f.Add("GET", path, "example.com", "X-Forwarded-Host", "evil.example", 1, 1, int64(0))
		f.Add("CONNECT", path, "evil:99999", "Expect", "100-continue", 2, 0, int64(-1))
		f.Add("get\x00", path, "\xff", "Upgrade", "x", 9, 9, int64(1<<62))
	}
	mux := itemsMux()
	mux.Handle("/api/", http.StripPrefix("/api", middleware.Routes(itemsMux())))
	m := newMeters(f)
	h := newMiddleware(f, m).Handler(mux)
	allowed := map[string]bool{
		"/items/{id}": true, "/host": true, "/dir/": true, "/{$}": true, "/api/": true, "unmatched": true,
		"/api/items/{id}": true, "/api/host": true, "/api/dir/": true, "/api/{$}": true,
	}
	f.Fuzz(func(t *testing.T, method, path, host, header, value string, major, minor int, length int64) {
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path}, RequestURI: path, Host: host, ProtoMajor: major, ProtoMinor: minor,
			Header: http.Header{header: {value}}, Body: http.NoBody, ContentLength: length,
		}
		h.ServeHTTP(newPlainWriter(), r)
		ps := m.points(t, requestDuration)
		if len(ps) > maxHostileSeries {
			t.Fatalf("%d series, want at most %d", len(ps), maxHostileSeries)
		}
		for _, p := range ps {
			if !allowed[p.label("http.route")] {
				t.Fatalf("the client chose the route of %s", p.attrs.Encoded(attribute.DefaultEncoder()))
			}
		}
		for _, p := range m.points(t, requestSize) {
			if p.sum < 0 {
				t.Fatalf("the client made the sum of sizes overflow: %g", p.sum)
			}
		}
	})
}
