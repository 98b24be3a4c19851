package telemetry_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// environ is an environment for FromEnv.
func environ(vars map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		v, ok := vars[key]
		return v, ok
	}
}

// pushes are the accepted requests that carry data, the preflight's left out.
func pushes(b *telemetrytest.Backend) []telemetrytest.Request {
	return slices.DeleteFunc(b.Accepted(), func(r telemetrytest.Request) bool { return r.Points == 0 })
}

// TestF14PushFromTheEnvironment also has what F14 asks: variables that are not in the environment given to
// FromEnv, but in the process's, change nothing that is sent.
func TestF14PushFromTheEnvironment(t *testing.T) {
	for key, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1/elsewhere", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "X-Axiom-Metrics-Dataset=stolen,evil=1",
		"OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_METRICS_INSECURE": "true", "OTEL_METRIC_EXPORT_INTERVAL": "1",
		"OTEL_RESOURCE_ATTRIBUTES": "leak=env",
	} {
		t.Setenv(key, value)
	}
	backend := telemetrytest.NewBackend(t, telemetrytest.WithPath("/some/where"))
	cfg, err := telemetry.FromEnv(environ(map[string]string{
		"OTEL_SERVICE_NAME":                   "shop",
		"OTEL_METRIC_EXPORT_INTERVAL":         "3600000",
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": backend.HTTPEndpoint(),
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS":  "Authorization=Bearer%20x,X-Axiom-Metrics-Dataset=demo",
		"METRICS_CUSTOM_LABELS":               "region=eu",
	}))
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "legacy", Help: "h"}, func() float64 { return 7 }))
	sdk, _ := newSDK(t, cfg, telemetry.WithGatherer(reg))
	must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 3)
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests := pushes(backend)
	if len(requests) != 1 {
		t.Fatalf("%d requests, want 1", len(requests))
	}
	r := requests[0]
	for key, want := range map[string]string{"Authorization": "Bearer x", "X-Axiom-Metrics-Dataset": "demo", "Content-Type": "application/x-protobuf", "Evil": ""} {
		if got := r.Header.Get(key); got != want {
			t.Errorf("header %s is %q, want %q", key, got, want)
		}
	}
	if r.Path != "/some/where" || r.Encoding != "" {
		t.Errorf("path %q, encoding %q; want the endpoint's path and no encoding", r.Path, r.Encoding)
	}
	for name, want := range map[string]float64{"jobs": 3, "legacy": 7} {
		if got := backend.Sum(name, nil); got != want {
			t.Errorf("%s arrived as %v, want %v", name, got, want)
		}
	}
	if len(backend.Find("go.goroutine.count", nil)) == 0 || len(backend.Find("go_goroutines", nil)) != 0 {
		t.Error("push should carry the semantic conventions' runtime metrics, and not client_golang's")
	}
	res := backend.Find("jobs", nil)[0].Resource
	for _, accept := range []string{"", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		sdk.MetricsHandler().ServeHTTP(w, r)
		if body := w.Body.String(); strings.Contains(body, "leak") || res["leak"] != "" || !strings.Contains(body, "target_info") {
			t.Errorf("Accept %q: the process's environment leaks into the resource: %v %t", accept, res, strings.Contains(body, "leak"))
		}
	}
	if res["service.name"] != "shop" || res["region"] != "eu" || res["service.instance.id"] == "" { // F18
		t.Errorf("the resource is %v", res)
	}
}

// TestF8EndpointThatWasNotMeant is a start-up that says so, once.
func TestF8EndpointThatWasNotMeant(t *testing.T) {
	cases := map[string]string{
		"http://127.0.0.1:1":               "probably meant: http://127.0.0.1:1/v1/metrics",
		"http://u:s3cr3t@127.0.0.1:1":      "@127.0.0.1:1/v1/metrics",
		"http://127.0.0.1:4317/v1/metrics": "use port 4318",
		"http://127.0.0.1:1/v1/traces":     "another signal",
	}
	for endpoint, want := range cases {
		_, log := newSDK(t, telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: endpoint}})
		if n := strings.Count(log.String(), want); n == 0 {
			t.Errorf("%s: nothing in the log has %q: %s", endpoint, want, log)
		}
		if strings.Contains(log.String(), "s3cr3t") {
			t.Errorf("the password is logged: %s", log)
		}
	}
}

func TestStrictPush(t *testing.T) {
	backend := telemetrytest.NewBackend(t, telemetrytest.WithBearer("x"))
	cfg := telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), Headers: exporter.NewSecrets(map[string]string{"Authorization": "Bearer s3cr3t"})}}
	if _, err := telemetry.New(t.Context(), cfg, telemetry.WithStrictPush()); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("with a wrong token New returned %v, want an error with 401 and without the token", err)
	}
	cfg.Push.Headers["Authorization"] = exporter.NewSecret("Bearer x")
	newSDK(t, cfg, telemetry.WithStrictPush())
}

// TestSpoolOutlivesTheProcess stops one SDK against a dead backend and starts another on its spool.
func TestSpoolOutlivesTheProcess(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	cfg := telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{
		Endpoint: backend.HTTPEndpoint(), SpoolDir: t.TempDir(), Temporality: exporter.TemporalityDelta,
	}}
	backend.Default(outage)
	for range 2 {
		sdk, _ := newSDK(t, cfg)
		must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 3)
		_ = sdk.Shutdown(t.Context())
		if n := sdk.Status().Push.PointsLost; n != 0 {
			t.Errorf("%d points lost although there is a spool", n)
		}
	}
	backend.Default(telemetrytest.Accept())
	sdk, _ := newSDK(t, cfg)
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := backend.Sum("jobs", nil); got != 6 {
		t.Errorf("jobs arrived as %v, want 6: two lives of 3", got)
	}
}

func TestF3PushGoesOnBesideAFailingCallback(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}})
	m := sdk.MeterProvider().Meter("app")
	must(m.Int64ObservableGauge("bad", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { return errors.New("no database") })))
	must(m.Int64ObservableGauge("worse", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { panic("nil map") })))
	must(m.Int64Counter("good")).Add(t.Context(), 2)
	for range 2 { // the counter of failures shows those of the collection before
		if err := sdk.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := backend.Sum("good", nil); got != 2 {
		t.Errorf("good arrived as %v, want 2", got)
	}
	if got := backend.Sum("duotel.callback.failures", nil); got < 2 {
		t.Errorf("%v failures arrived, want both", got)
	}
}

// FuzzStartUp feeds environments through FromEnv, New and Shutdown: whatever is accepted must start,
// be scraped and stop.
func FuzzStartUp(f *testing.F) {
	f.Add("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1/v1/metrics", "OTEL_METRICS_EXPORTER", "prometheus,otlp")
	f.Add("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=b%20c", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	f.Add("METRICS_NAMESPACE", "acme", "METRICS_CUSTOM_LABELS", "a=b,c=%C3%A9")
	f.Add("METRICS_EXCLUDED_HANDLERS", "^/x", "OTEL_SERVICE_NAME", "\xff")
	f.Add("OTEL_SDK_DISABLED", "true", "OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=1")
	fixed := map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1/v1/metrics"}
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		env := maps.Clone(fixed)
		env[k1], env[k2] = v1, v2
		for _, key := range []string{"OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT"} {
			delete(env, key) // a fuzzer must not open ports
		}
		if e := env["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"]; e != "" {
			env["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = fixed["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] // nor dial elsewhere
		}
		if env["OTEL_METRICS_EXPORTER"] == "console" {
			return
		}
		cfg, err := telemetry.FromEnv(environ(env))
		if err != nil {
			return
		}
		sdk, _ := newSDK(t, cfg)
		w := scrape(sdk.MetricsHandler())
		if w.Code != http.StatusOK && w.Code != http.StatusNotFound {
			t.Errorf("the scrape is answered %d: %s", w.Code, w.Body)
		}
		_ = shutdownBy(t, sdk, 200*time.Millisecond) // a refused connection is tried again until then
	})
}
