package telemetrytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry/contract"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// recorder is a test that notes what it is told instead of failing.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// shop records what a service would; edit says what it does differently.
func shop(t *testing.T, name, unit, key, value string, bounds ...float64) *telemetrytest.Kit {
	kit := telemetrytest.New(t)
	meter := kit.SDK.MeterProvider().Meter("shop")
	orders, _ := meter.Int64Counter(name, metric.WithDescription("Orders by outcome."))
	orders.Add(t.Context(), 1, metric.WithAttributes(attribute.String(key, value)))
	wait, _ := meter.Float64Histogram("shop.wait", metric.WithUnit(unit), metric.WithExplicitBucketBoundaries(bounds...))
	wait.Record(t.Context(), 0.2)
	return kit
}

// TestAssertContract records a contract, wants the service to keep it, and each way of breaking it to be told in words.
func TestAssertContract(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics.yaml")
	usual := func() *telemetrytest.Kit { return shop(t, "shop.orders", "s", "outcome", "ok", 0.1, 1) }
	t.Run("update", func(t *testing.T) {
		t.Setenv(telemetrytest.UpdateVariable, "1")
		telemetrytest.AssertContract(t, usual(), file)
	})
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"shop_orders_total", "outcome: [ok]", "bounds: [0.1, 1]", "unit: s", "Orders by outcome."} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the contract lacks %q:\n%s", want, data)
		}
	}
	if strings.Contains(string(data), "duotel_") || strings.Contains(string(data), "go_") {
		t.Errorf("the contract has what is not the service's:\n%s", data)
	}
	telemetrytest.AssertContract(t, usual(), file)
	for _, tt := range []struct {
		kit  *telemetrytest.Kit
		want []string
	}{
		{shop(t, "shop.sales", "s", "outcome", "ok", 0.1, 1), []string{"breaking: shop_orders_total: removed", "panels and alerts on shop_orders_total have no data"}},
		{shop(t, "shop.orders", "ms", "outcome", "ok", 0.1, 1), []string{"shop_wait_seconds", "shop_wait_milliseconds"}},
		{shop(t, "shop.orders", "s", "result", "ok", 0.1, 1), []string{"attribute outcome removed", "attribute result added"}},
		{shop(t, "shop.orders", "s", "outcome", "lost", 0.1, 1), []string{`outcome="lost" added`, "+1 series"}},
		{shop(t, "shop.orders", "s", "outcome", "ok", 0.1, 2), []string{"bound 1 removed", `le="1"`, "bound 2 added"}},
	} {
		r := &recorder{TB: t}
		telemetrytest.AssertContract(r, tt.kit, file)
		all := strings.Join(r.said, "\n")
		for _, want := range append(tt.want, file, telemetrytest.UpdateVariable+"=1") {
			if !strings.Contains(all, want) {
				t.Errorf("it says\n%s\nwant %q in it", all, want)
			}
		}
	}
}

// TestUpdateKeeps wants an update to keep what people wrote: OpenTelemetry's name, an open attribute, a value that did not occur.
func TestUpdateKeeps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics.yaml")
	text := "schema: duotel.metrics/v1\nservice: shop\ninstruments:\n" +
		"  - {name: shop.orders, kind: counter, description: By hand., stability: stable, attributes: {outcome: [refused]}}\n" +
		"  - {name: shop.wait, kind: histogram, unit: s, bounds: [5]}\n  - {name: shop.gone, kind: gauge}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(telemetrytest.UpdateVariable, "1")
	telemetrytest.AssertContract(t, shop(t, "shop.orders", "s", "outcome", "ok", 0.1, 1), file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse(file, data)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Instruments) != 2 || c.Service != "shop" {
		t.Fatalf("it became\n%s", data)
	}
	orders := c.Instruments[0]
	if orders.Name != "shop.orders" || orders.Description != "By hand." || orders.Stability != contract.Stable || strings.Join(orders.Attributes[0].Values, " ") != "refused ok" {
		t.Errorf("orders became %+v", orders)
	}
	if wait := c.Instruments[1]; wait.Name != "shop.wait" || len(wait.Bounds) != 2 {
		t.Errorf("wait became %+v", wait)
	}
}
