package telemetry_test

import (
	"testing"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestF50BothExits adds up what no int64 holds, over two acknowledged deltas: the page and the backend have the sum.
func TestF50BothExits(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "gpu", Push: telemetry.PushConfig{
		Endpoint: backend.HTTPEndpoint(), Temporality: exporter.TemporalityDelta, Interval: never,
	}})
	m := sdk.MeterProvider().Meter("app")
	work, size := must(m.Float64Counter("work")), must(m.Float64Histogram("size"))
	for range 2 {
		for range 5000 {
			work.Add(t.Context(), 1e15)
			size.Record(t.Context(), 1e15)
		}
		if err := sdk.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	page := must(telemetrytest.ParseExposition(scrape(sdk.MetricsHandler()).Body))
	for _, name := range []string{"work_total", "size_sum"} {
		if s := page.Find(name, nil); len(s) != 1 || s[0].Value != 1e19 {
			t.Errorf("the page has %v, want %s of 1e19", s, name)
		}
	}
	if s := backend.Find("work", nil); len(s) != 1 || s[0].Value != 1e19 {
		t.Errorf("the backend has %v, want a sum of 1e19", s)
	}
	if s := backend.Find("size", nil); len(s) != 1 || s[0].Sum != 1e19 {
		t.Errorf("the backend has %v, want a histogram's sum of 1e19", s)
	}
}
