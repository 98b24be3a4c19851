package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestPromlint lints the widest page there is: every vocabulary, both sides of HTTP, a stream, a push exit
// that has failed and one instrument near its limit. Only names that are not ours may be complained about.
func TestPromlint(t *testing.T) {
	for _, names := range []telemetry.HTTPNames{telemetry.HTTPNamesSemconv, telemetry.HTTPNamesClassic, telemetry.HTTPNamesBoth} {
		t.Run(string(names), func(t *testing.T) {
			sdk := wide(t, names)
			page := scrape(sdk.MetricsHandler()).Body.String()
			for _, want := range []string{
				"duotel_push_failures_total{", "duotel_push_last_success_timestamp_seconds{", "duotel_push_spool_size_bytes{", "duotel_push_spool_failures_total{", "duotel_push_lost_series_total{",
				"otel_sdk_exporter_metric_data_point_exported_total{", "duotel_scrape_io_bytes_total{", "duotel_cardinality_used{",
				"duotel_callback_failures_total{", "http_client_request_duration_seconds_bucket{", "duotel_http_server_active_streams{", "duotel_http_server_stream_duration_seconds_bucket{",
			} {
				if !strings.Contains(page, "\n"+want) {
					t.Errorf("the page has no %s, so nothing is said about it", want)
				}
			}
			problems, err := promlint.New(strings.NewReader(page)).Lint()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				if !strings.HasPrefix(p.Metric, "go_") && !strings.HasPrefix(p.Metric, "process_") {
					t.Errorf("promlint: %s: %s", p.Metric, p.Text)
				}
			}
		})
	}
}

// wide is an SDK that shows all it can.
func wide(t *testing.T, names telemetry.HTTPNames) *telemetry.SDK {
	t.Helper()
	backend := telemetrytest.NewBackend(t)
	backend.Script(telemetrytest.Accept(), outage)
	sdk, _ := newSDK(t, telemetry.Config{
		ServiceName: "shop", CardinalityLimit: 50, HTTP: telemetry.HTTPConfig{Names: names},
		Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), SpoolDir: t.TempDir()},
	}, telemetry.WithStrictPush())
	many := must(sdk.MeterProvider().Meter("app").Int64Counter("jobs", metric.WithDescription("Jobs done.")))
	for i := range 45 {
		many.Add(t.Context(), 1, attrs("i", strings.Repeat("i", i)))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	sdk.Middleware(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/events", nil))
	roundTrip(t, sdk)
	if err := sdk.ForceFlush(t.Context()); err == nil {
		t.Error("the push that was to fail did not")
	}
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	scrape(sdk.MetricsHandler())
	return sdk
}
