package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry"
)

// OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS replaces the list: WebDAV's method is known, and one of the default is not.
func TestF37KnownMethods(t *testing.T) {
	cfg, err := telemetry.FromEnv(environ(map[string]string{
		"OTEL_SERVICE_NAME": "shop", "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET,PROPFIND",
	}))
	if err != nil {
		t.Fatal(err)
	}
	sdk, _ := newSDK(t, cfg)
	h := sdk.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, method := range []string{"PROPFIND", "propfind", "POST"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/x", nil))
	}
	page := scrape(sdk.MetricsHandler()).Body.String()
	for _, line := range []struct{ method, count string }{{"PROPFIND", "1"}, {"_OTHER", "2"}} {
		found := false
		for text := range strings.Lines(page) {
			found = found || strings.HasPrefix(text, "http_server_request_duration_seconds_count{") &&
				strings.Contains(text, `http_request_method="`+line.method+`"`) && strings.HasSuffix(strings.TrimSpace(text), " "+line.count)
		}
		if !found {
			t.Errorf("the page does not have %s requests of %s:\n%s", line.count, line.method, page)
		}
	}
}
