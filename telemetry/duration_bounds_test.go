package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry"
)

// TestDurationBounds wants an objective's bound on the page in every vocabulary, one that is a bound of the other vocabulary
// (0.3) like one that is nobody's (0.42), and no bound of the other vocabulary besides. Clients keep their buckets.
func TestDurationBounds(t *testing.T) {
	const conventions, classic, client = "http_server_request_duration_seconds_bucket", "http_request_duration_seconds_bucket", "http_client_request_duration_seconds_bucket"
	for _, tt := range []struct {
		names    string
		families []string
	}{
		{"semconv", []string{conventions}},
		{"classic", []string{classic}},
		{"both", []string{conventions, classic}},
	} {
		t.Run(tt.names, func(t *testing.T) {
			cfg, err := telemetry.FromEnv(environ(map[string]string{
				"OTEL_SERVICE_NAME": "shop", "METRICS_HTTP_NAMES": tt.names, "METRICS_HTTP_DURATION_BOUNDS": "420ms,300ms",
			}))
			if err != nil {
				t.Fatal(err)
			}
			sdk, _ := newSDK(t, cfg)
			server := httptest.NewServer(sdk.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			defer server.Close()
			res, err := (&http.Client{Transport: sdk.Transport(nil)}).Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			page := scrape(sdk.MetricsHandler()).Body.String()
			bounds := func(family string) (out []string) {
				for line := range strings.Lines(page) {
					if _, rest, ok := strings.Cut(line, `le="`); ok && strings.HasPrefix(line, family+"{") {
						le, _, _ := strings.Cut(rest, `"`)
						out = append(out, le)
					}
				}
				return out
			}
			want := map[string]string{
				conventions: "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.3 0.42 0.5 0.75 1 2.5 5 7.5 10 +Inf",
				classic:     "0.05 0.1 0.3 0.42 1 3 5 +Inf",
			}
			for _, family := range tt.families {
				if got := strings.Join(bounds(family), " "); got != want[family] {
					t.Errorf("%s has the bounds %s, want %s", family, got, want[family])
				}
			}
			if tt.names != "both" && tt.names != "semconv" {
				return
			}
			if got := strings.Join(bounds(client), " "); got != "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf" {
				t.Errorf("the client has the bounds %s", got)
			}
		})
	}
}
