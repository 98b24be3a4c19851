package telemetry_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/telemetry"
)

// logBuffer is a log that is read while the SDK writes it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newSDK returns an SDK of cfg whose log goes to the returned buffer. It pushes when a test says so, and
// not, as it would, at a random moment of the first minute.
func newSDK(t *testing.T, cfg telemetry.Config, opts ...telemetry.Option) (*telemetry.SDK, *logBuffer) {
	t.Helper()
	cfg.Push.Interval = cmp.Or(cfg.Push.Interval, never)
	log := new(logBuffer)
	opts = append([]telemetry.Option{telemetry.WithLogger(slog.New(slog.NewTextHandler(log, nil)))}, opts...)
	sdk, err := telemetry.New(t.Context(), cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = sdk.Shutdown(ctx)
	})
	return sdk, log
}

// never is an interval that no test lives for.
const never = 1000 * time.Hour

func scrape(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestFirstScrape is what a user sees who has copied the quick start and sent one request.
func TestFirstScrape(t *testing.T) {
	sdk, log := newSDK(t, telemetry.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(http.ResponseWriter, *http.Request) {})
	sdk.Mount(mux)
	h := sdk.Middleware(mux)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))

	w := scrape(h)
	for _, want := range []string{
		`http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/items/{id}"`,
		"http_server_active_requests{", "go_goroutines ", "process_cpu_seconds_total ", "target_info{", "go_build_info{", `service_instance_id="`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the scrape has no %s", want)
		}
	}
	if strings.Contains(w.Body.String(), `http_route="/metrics"`) {
		t.Error("F27: the scrape measures itself")
	}
	if !strings.Contains(log.String(), "OTEL_SERVICE_NAME") {
		t.Errorf("no warning about the missing service name: %s", log)
	}
	problems, err := promlint.New(w.Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "go_") && !strings.HasPrefix(p.Metric, "process_") {
			t.Errorf("promlint: %s: %s", p.Metric, p.Text)
		}
	}
}

func TestDisabledDoesNothing(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{Disabled: true, Push: telemetry.PushConfig{Endpoint: "http://127.0.0.1:1/v1/metrics"}})
	mux := http.NewServeMux()
	sdk.Mount(mux)
	if _, pattern := mux.Handler(httptest.NewRequest(http.MethodGet, "/metrics", nil)); pattern != "" {
		t.Errorf("Mount mounted %q", pattern)
	}
	if _, ok := sdk.MeterProvider().(metricnoop.MeterProvider); !ok {
		t.Errorf("the meter provider is a %T", sdk.MeterProvider())
	}
	next := http.NewServeMux()
	if sdk.Middleware(next) != http.Handler(next) || sdk.Transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("Middleware or Transport wraps")
	}
	if w := scrape(sdk.MetricsHandler()); w.Code != http.StatusNotFound {
		t.Errorf("MetricsHandler answers %d, want 404", w.Code)
	}
	sdk.Registerer().MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "g"}))
	if st := sdk.Status(); !st.Disabled || st.Push != nil || st.Pull != nil {
		t.Errorf("Status is %+v", st)
	}
	if err := errors.Join(sdk.ForceFlush(t.Context()), sdk.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestF3F5FailingCallbacksAtThePullExit(t *testing.T) {
	sdk, log := newSDK(t, telemetry.Config{})
	m := sdk.MeterProvider().Meter("app")
	must(m.Int64ObservableGauge("bad", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { return errors.New("no database") })))
	must(m.Int64ObservableGauge("worse", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { panic("nil map") })))
	must(m.Int64Counter("good")).Add(t.Context(), 1)
	scrape(sdk.MetricsHandler())
	body := scrape(sdk.MetricsHandler()).Body.String()
	for _, want := range []string{
		`good_total{otel_scope_name="app"`,
		`duotel_callback_failures_total{error_type="error",`,
		`duotel_callback_failures_total{error_type="panic",`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if st := sdk.Status(); st.CallbackErrors != 2 || st.CallbackPanics != 2 {
		t.Errorf("Status counts %d errors and %d panics, want 2 and 2", st.CallbackErrors, st.CallbackPanics)
	}
	for _, want := range []string{"no database", "nil map"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q is logged %d times, want once", want, n)
		}
	}
}

func TestF4HangingCallback(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{})
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	must(sdk.MeterProvider().Meter("app").Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-hang
		return nil
	})))
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "0.1")
	w := httptest.NewRecorder()
	sdk.MetricsHandler().ServeHTTP(w, req)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("the scrape is answered %d, want 503", w.Code)
	}
	if err := shutdownBy(t, sdk, 300*time.Millisecond); err == nil {
		t.Error("Shutdown does not say that a callback hangs")
	}
}

func TestF7TwoSDKsAndTheDefaultRegistry(t *testing.T) {
	promauto.NewCounter(prometheus.CounterOpts{Name: "framework_requests_total", Help: "h"}).Add(5)
	t.Cleanup(func() { prometheus.DefaultRegisterer = prometheus.NewRegistry() })
	for range 2 {
		sdk, log := newSDK(t, telemetry.Config{ServiceName: "shop"}, telemetry.WithGatherer(prometheus.DefaultGatherer))
		own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "own", Help: "h"})
		sdk.Registerer().MustRegister(own)
		promauto.With(sdk.Registerer()).NewGauge(prometheus.GaugeOpts{Name: "own", Help: "h"})
		body := scrape(sdk.MetricsHandler()).Body.String()
		for _, want := range []string{"framework_requests_total 5\n", "own 0\n", "go_goroutines "} {
			if strings.Count(body, "\n"+want) != 1 {
				t.Errorf("%q is there %d times, want once", want, strings.Count(body, "\n"+want))
			}
		}
		if n := strings.Count(log.String(), "stays out"); n != 1 {
			t.Errorf("the second registration is reported %d times: %s", n, log)
		}
		if n := sdk.Status().Pull.Dropped(); n != 0 {
			t.Errorf("%d metrics dropped, want 0: the default registry has go_* too", n)
		}
	}
}

func TestF17ScrapeAfterShutdown(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{})
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := scrape(sdk.MetricsHandler()); w.Code != http.StatusServiceUnavailable {
		t.Errorf("the scrape is answered %d, want 503", w.Code)
	}
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Errorf("the second Shutdown returned %v", err)
	}
	must(sdk.MeterProvider().Meter("late").Int64Counter("c")).Add(t.Context(), 1)
}

// attrs makes an option of keys and values in turn.
func attrs(pairs ...string) metric.MeasurementOption {
	var kvs []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		kvs = append(kvs, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributes(kvs...)
}

// TestMiddlewareInsideOfMiddleware: an SDK's middleware around another counts a request once.
func TestMiddlewareInsideOfMiddleware(t *testing.T) {
	sdk, err := telemetry.New(t.Context(), telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sdk.Shutdown(context.Background()) }()
	mux := http.NewServeMux()
	mux.Handle("/items/{id}", http.NotFoundHandler())
	h := sdk.Middleware(sdk.Middleware(mux))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
	page := httptest.NewRecorder()
	sdk.MetricsHandler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	counts := regexp.MustCompile(`(?m)^http_server_request_duration_seconds_count\{.*http_route="([^"]*)".*\} (\S+)$`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(counts) != 1 || counts[0][1] != "/items/{id}" || counts[0][2] != "1" {
		t.Errorf("the page counts %q, want one request of /items/{id}", counts)
	}
}
