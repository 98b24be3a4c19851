package telemetry_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func TestStartIsGlobalAndTwice(t *testing.T) {
	t.Cleanup(func() { otel.SetMeterProvider(metricnoop.NewMeterProvider()) })
	for range 2 {
		sdk, err := telemetry.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		must(otel.Meter("app").Int64Counter("jobs")).Add(t.Context(), 1)
		if body := scrape(sdk.MetricsHandler()).Body.String(); !strings.Contains(body, "jobs_total{") {
			t.Error("the global provider does not lead to the scrape")
		}
		if err := sdk.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStartNamesBadVariables(t *testing.T) {
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10s")
	_, err := telemetry.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), `OTEL_METRIC_EXPORT_INTERVAL="10s"`) {
		t.Fatalf("got %v, want an error that names the variable and the value", err)
	}
}

// TestTwoStartsLiveSideBySide is a service that calls Start, and a framework in it that calls it too.
func TestTwoStartsLiveSideBySide(t *testing.T) {
	t.Cleanup(func() { otel.SetMeterProvider(metricnoop.NewMeterProvider()) })
	var sdks [2]*telemetry.SDK
	for i := range sdks {
		sdk, err := telemetry.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sdk.Shutdown(t.Context()) })
		value := func() float64 { return float64(i + 1) }
		sdk.Registerer().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "framework", Help: "h"}, value))
		must(otel.Meter("app").Int64Counter("jobs")).Add(t.Context(), int64(i+1))
		must(sdk.MeterProvider().Meter("app").Int64Counter("own")).Add(t.Context(), int64(i+1))
		sdks[i] = sdk
	}
	if otel.GetMeterProvider() != sdks[1].MeterProvider() {
		t.Error("the global provider is not the later Start's")
	}
	for i, sdk := range sdks {
		page := must(telemetrytest.ParseExposition(scrape(sdk.MetricsHandler()).Body))
		for _, name := range []string{"jobs_total", "own_total", "framework"} {
			if found := page.Find(name, nil); len(found) != 1 || found[0].Value != float64(i+1) {
				t.Errorf("SDK %d shows %v, want only what was counted with it", i, found)
			}
		}
		if n := len(page.Find("go_goroutines", nil)); n != 1 {
			t.Errorf("SDK %d has %d of go_goroutines, want one", i, n)
		}
		if n := sdk.Status().Pull.Dropped(); n != 0 {
			t.Errorf("SDK %d has dropped %d series", i, n)
		}
	}
	if err := sdks[0].Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	must(otel.Meter("app").Int64Counter("jobs")).Add(t.Context(), 1)
	if body := scrape(sdks[1].MetricsHandler()).Body.String(); !strings.Contains(body, "jobs_total{") || !strings.Contains(body, "} 3\n") {
		t.Error("the second SDK does not go on after the first has stopped")
	}
}
