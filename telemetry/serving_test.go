package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duotel/duotel/middleware"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func TestMountBesideCatchAll(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop"})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	sdk.Mount(mux)
	if w := scrape(mux); !strings.Contains(w.Body.String(), "go_goroutines") {
		t.Errorf("the scrape is answered %d %s", w.Code, w.Body)
	}
}

// copying is middleware that hands a copy of the request on, as most that put something in its context do.
func copying(next http.Handler) http.Handler {
	type key struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "session")))
	})
}

// TestF24MountTellsTheRouteOfCopies is the quick start with middleware between: the mux sets the pattern on
// a request that nobody sees again, so Mount's mux is asked.
func TestF24MountTellsTheRouteOfCopies(t *testing.T) {
	for mounted, want := range map[bool]string{true: "/items/{id}", false: "unmatched"} {
		sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop"})
		mux := http.NewServeMux()
		mux.HandleFunc("GET /items/{id}", func(http.ResponseWriter, *http.Request) {})
		if mounted {
			sdk.Mount(mux)
		}
		h := sdk.Middleware(copying(mux))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
		if routes := routesOf(t, sdk); len(routes) != 1 || routes[want] != 1 {
			t.Errorf("mounted %t: requests by route are %v, want one of %q", mounted, routes, want)
		}
	}
}

// routesOf counts the requests that were measured, by route.
func routesOf(t *testing.T, sdk *telemetry.SDK) map[string]float64 {
	t.Helper()
	page := must(telemetrytest.ParseExposition(scrape(sdk.MetricsHandler()).Body))
	routes := map[string]float64{}
	for _, s := range page.Find("http_server_request_duration_seconds_count", nil) {
		routes[s.Labels["http_route"]] += s.Value
	}
	return routes
}

// TestMiddlewareOptionsComeAfterTheSDKs gives Middleware an option of the caller's.
func TestMiddlewareOptionsComeAfterTheSDKs(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop"})
	h := sdk.Middleware(http.NotFoundHandler(), middleware.WithExcludedPaths())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if routes := routesOf(t, sdk); routes["unmatched"] != 1 {
		t.Errorf("requests by route are %v: the option has no effect", routes)
	}
}

// TestExcludedHandlersAreNotMeasured starts with METRICS_EXCLUDED_HANDLERS, which match a path or a route.
func TestExcludedHandlersAreNotMeasured(t *testing.T) {
	cfg := must(telemetry.FromEnv(environ(map[string]string{
		"OTEL_SERVICE_NAME": "shop", "METRICS_EXCLUDED_HANDLERS": `^/internal/,\{secret\}$`,
	})))
	sdk, _ := newSDK(t, cfg)
	mux := http.NewServeMux()
	for _, pattern := range []string{"/internal/jobs", "/tokens/{secret}", "/items/{id}"} {
		mux.HandleFunc("GET "+pattern, func(http.ResponseWriter, *http.Request) {})
	}
	h := sdk.Middleware(mux)
	for _, path := range []string{"/internal/jobs", "/tokens/7", "/items/7", "/healthz"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if routes := routesOf(t, sdk); len(routes) != 1 || routes["/items/{id}"] != 1 {
		t.Errorf("requests by route are %v, want one of /items/{id} and no other", routes)
	}
}
