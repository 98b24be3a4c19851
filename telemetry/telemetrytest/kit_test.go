package telemetrytest_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// place counts orders of a customer.
func place(t *testing.T, kit *telemetrytest.Kit, customer string, n int64) {
	t.Helper()
	c, err := kit.SDK.MeterProvider().Meter("shop").Int64Counter("orders.placed")
	if err != nil {
		t.Fatal(err)
	}
	c.Add(t.Context(), n, metric.WithAttributes(attribute.String("customer", customer)))
}

// outcome is a testing.TB that notes errors instead of failing.
type outcome struct {
	testing.TB
	errors []string
}

func (o *outcome) Errorf(format string, args ...any) {
	o.errors = append(o.errors, fmt.Sprintf(format, args...))
}

func TestKitIsIsolated(t *testing.T) {
	global := otel.GetMeterProvider()
	t.Setenv("OTEL_SDK_DISABLED", "true")
	t.Setenv("OTEL_SERVICE_NAME", "from-the-environment")
	one, two := telemetrytest.New(t), telemetrytest.New(t)
	place(t, one, "ann", 1)
	if _, ok := one.Value(t, "orders_placed_total", nil); !ok {
		t.Error("the first kit has no series")
	}
	if _, ok := two.Value(t, "orders_placed_total", nil); ok {
		t.Error("the second kit has the first one's series")
	}
	telemetrytest.AssertSeries(t, one, "target_info", map[string]string{"service_name": "telemetrytest"}, 1)
	if otel.GetMeterProvider() != global {
		t.Error("the global meter provider changed")
	}
}

func TestAssertSeries(t *testing.T) {
	kit := telemetrytest.New(t)
	place(t, kit, "ann", 2)
	place(t, kit, "bob", 3)
	kit.SDK.Middleware(http.NewServeMux()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	tests := []struct {
		name   string
		labels map[string]string
		want   float64
		says   []string // nil: passes
	}{
		{"orders_placed_total", map[string]string{"customer": "ann"}, 2, nil},
		{"orders_placed_total", map[string]string{"customer": "bob", "otel_scope_name": "shop"}, 3, nil},
		{"http_server_request_duration_seconds_count", map[string]string{"http_response_status_code": "404"}, 1, nil},
		{"http_server_request_duration_seconds_bucket", map[string]string{"le": "+Inf"}, 1, nil},
		{"orders_placed_total", map[string]string{"customer": "ann"}, 3, []string{"wrong value", `customer="ann"`, "} 2\nwant 3"}},
		{"orders_placed_total", map[string]string{"customer": "ann"}, math.NaN(), []string{"want NaN"}},
		{"orders_placed_total", map[string]string{"customer": "eve"}, 1, []string{"no series", `customer="ann"`, `customer="bob"`}},
		{"orders_placed", nil, 1, []string{"no series", "orders_placed_total{"}},
		{"orders_placed_total", nil, 5, []string{"2 series", `customer="ann"`, `customer="bob"`}},
	}
	for _, tt := range tests {
		got := &outcome{TB: t}
		telemetrytest.AssertSeries(got, kit, tt.name, tt.labels, tt.want)
		if (len(got.errors) > 0) != (len(tt.says) > 0) {
			t.Errorf("%s%v %v: errors %q", tt.name, tt.labels, tt.want, got.errors)
			continue
		}
		for _, want := range tt.says {
			if !strings.Contains(got.errors[0], want) {
				t.Errorf("%s%v: message has no %q:\n%s", tt.name, tt.labels, want, got.errors[0])
			}
		}
	}
}

func TestAssertNoSeries(t *testing.T) {
	kit := telemetrytest.New(t)
	place(t, kit, "ann", 2)
	telemetrytest.AssertNoSeries(t, kit, "orders_placed_total", map[string]string{"customer": "eve"})
	got := &outcome{TB: t}
	telemetrytest.AssertNoSeries(got, kit, "orders_placed_total", nil)
	if len(got.errors) != 1 || !strings.Contains(got.errors[0], `customer="ann"`) {
		t.Errorf("errors = %q; want one that shows the series", got.errors)
	}
}

func TestKitPushesToBackend(t *testing.T) {
	for protocol := range protocols {
		for name, opts := range map[string][]telemetrytest.BackendOption{"plain": nil, "tls": {telemetrytest.WithTLS()}} {
			t.Run(string(protocol)+" "+name, func(t *testing.T) {
				b := telemetrytest.NewBackend(t, opts...)
				kit := telemetrytest.New(t, telemetrytest.WithBackend(b, protocol))
				place(t, kit, "ann", 2)
				if err := kit.SDK.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := b.Sum("orders.placed", map[string]string{"customer": "ann"}); got != 2 {
					t.Errorf("pushed %v; want 2; received: %v", got, b.Series())
				}
			})
		}
	}
}

func TestKitConfig(t *testing.T) {
	kit := telemetrytest.New(t,
		telemetrytest.WithConfig(telemetry.Config{ServiceName: "x", Pull: telemetry.PullConfig{Namespace: "shop"}}),
		telemetrytest.WithSDKOptions(telemetry.WithPullFilter(func(scope, _ string) bool { return scope != "secret" })))
	place(t, kit, "ann", 2)
	counter, err := kit.SDK.MeterProvider().Meter("secret").Int64Counter("orders.hidden")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	telemetrytest.AssertSeries(t, kit, "shop_orders_placed_total", nil, 2)
	telemetrytest.AssertNoSeries(t, kit, "shop_orders_hidden_total", nil)
}

func TestParseExpositionSummary(t *testing.T) {
	e, err := telemetrytest.ParseExposition(strings.NewReader("# TYPE s summary\ns{quantile=\"0.5\"} 2\ns_sum 6\ns_count 3\n# TYPE g gauge\ng 4\nu 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"s": 2, "s_sum": 6, "s_count": 3, "g": 4, "u": 5} {
		if found := e.Find(name, nil); len(found) != 1 || found[0].Value != want {
			t.Errorf("%s: %v; want %v", name, found, want)
		}
	}
	if _, err := telemetrytest.ParseExposition(strings.NewReader("{")); err == nil {
		t.Error("no error for what is no exposition")
	}
}
