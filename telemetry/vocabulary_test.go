package telemetry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// served is an SDK with the names' vocabulary that has served a few requests.
func served(t *testing.T, names telemetry.HTTPNames, push telemetry.PushConfig) *telemetry.SDK {
	t.Helper()
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", HTTP: telemetry.HTTPConfig{Names: names}, Push: push})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "done")
	})
	mux.HandleFunc("GET /fail", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	h := sdk.Middleware(mux)
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/items/1", strings.NewReader("12345")),
		httptest.NewRequest(http.MethodPost, "/items/2", strings.NewReader("12345")),
		httptest.NewRequest(http.MethodGet, "/fail", nil),
		httptest.NewRequest(http.MethodGet, "/nowhere", nil),
	} {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	return sdk
}

// TestClassicVocabulary reads the classic names at both exits, in text and protobuf.
func TestClassicVocabulary(t *testing.T) {
	for _, temporality := range []exporter.Temporality{exporter.TemporalityCumulative, exporter.TemporalityDelta} {
		backend := telemetrytest.NewBackend(t)
		sdk := served(t, telemetry.HTTPNamesClassic, telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), Temporality: temporality})
		body := scrape(sdk.MetricsHandler()).Body.String()
		for _, want := range []string{
			`http_requests_total{handler="/items/{id}",method="POST",`, `status="200"} 2`, `http_requests_total{handler="unmatched",method="GET",`,
			`http_request_duration_seconds_bucket{handler="/items/{id}",method="POST",`, `http_requests_inprogress{`,
			`http_request_size_bytes_sum{handler="/items/{id}",`, `http_response_size_bytes_count{handler="/items/{id}",`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("no %s in\n%s", want, body)
			}
		}
		for _, le := range []string{"0.05", "0.1", "0.3", "1", "3", "5", "+Inf"} {
			if n := strings.Count(body, fmt.Sprintf(`le=%q`, le)); n == 0 {
				t.Errorf("no bucket %s", le)
			}
		}
		if strings.Contains(body, "http_server_") || strings.Contains(body, `le="0.005"`) {
			t.Error("the semantic conventions' metrics are there too")
		}
		if err := sdk.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := backend.Sum("http_requests", map[string]string{"handler": "/items/{id}"}); got != 2 {
			t.Errorf("%s: the backend has %v requests, want 2", temporality, got)
		}
		if got := backend.Sum("http_request_size", map[string]string{"handler": "/items/{id}"}); got != 2 {
			t.Errorf("%s: the backend has %v request sizes, want 2", temporality, got)
		}
		if sdk.Status().Pull.Dropped() != 0 {
			t.Errorf("dropped: %v", sdk.Status().Pull.DroppedSeries)
		}
	}
}

func TestClassicVocabularyInProtobuf(t *testing.T) {
	sdk := served(t, telemetry.HTTPNamesBoth, telemetry.PushConfig{})
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	w := httptest.NewRecorder()
	sdk.MetricsHandler().ServeHTTP(w, r)
	for _, want := range []string{"http_requests_total", "http_request_size_bytes", "http_server_request_duration_seconds"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the protobuf answer has no %s", want)
		}
	}
	if sdk.Status().Pull.Dropped() != 0 {
		t.Errorf("dropped: %v", sdk.Status().Pull.DroppedSeries)
	}
}

// TestF23CardinalityIsNamed fills an instrument to its limit and reads what is said about it.
func TestF23CardinalityIsNamed(t *testing.T) {
	sdk, log := newSDK(t, telemetry.Config{ServiceName: "shop", CardinalityLimit: 50})
	c := must(sdk.MeterProvider().Meter("app").Int64Counter("jobs"))
	for i := range 200 {
		c.Add(t.Context(), 1, attrs("tenant", fmt.Sprintf("t%d", i), "region", "eu"))
		if i%10 == 0 {
			scrape(sdk.MetricsHandler())
		}
	}
	body := scrape(sdk.MetricsHandler()).Body.String()
	for _, want := range []string{`duotel_cardinality_used{instrument="jobs",`, `duotel_cardinality_limit{instrument="jobs",`, `otel_metric_overflow="true"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if n := strings.Count(log.String(), "jobs"); n != 2 || !strings.Contains(log.String(), "tenant") || !strings.Contains(log.String(), "t0") {
		t.Errorf("%d lines name the instrument, want one at 80 %% and one at the limit, with the attribute and values: %s", n, log)
	}
}
