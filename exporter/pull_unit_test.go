package exporter_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/duotel/duotel/exporter"
)

// TestUnitsOfRegistries wants one UNIT line for each unit of a client_golang metric that OpenMetrics takes, and none otherwise.
func TestUnitsOfRegistries(t *testing.T) {
	text := func(s string) *string { return &s }
	value := 1.
	gauge := func(name, unit string) *dto.MetricFamily {
		return &dto.MetricFamily{Name: text(name), Help: text("h"), Unit: text(unit), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &value}}}}
	}
	counter := func(name, unit string) *dto.MetricFamily {
		return &dto.MetricFamily{Name: text(name), Help: text("h"), Unit: text(unit), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{Counter: &dto.Counter{Value: &value}}}}
	}
	families := []*dto.MetricFamily{
		counter("busy_seconds_total", "seconds"), counter("idle_seconds", "seconds"), gauge("disk_bytes", "bytes"),
		gauge("empty", ""), gauge("heat", "celsius"), gauge("odd_\xff", "\xff"), gauge("unfit_bytesize", "bytes"),
	}
	r := newPull(t, func(c *exporter.PullConfig) {
		c.Gatherers = []prometheus.Gatherer{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })}
	})
	page := r.answerIn(t, accepts["OpenMetrics"])
	got := regexp.MustCompile(`(?m)^# UNIT .*$`).FindAllString(page, -1)
	if want := []string{"# UNIT busy_seconds seconds", "# UNIT disk_bytes bytes", "# UNIT idle_seconds seconds"}; !slices.Equal(got, want) {
		t.Errorf("units %q, want %q in\n%s", got, want, page)
	}
	fallback := newPull(t, func(c *exporter.PullConfig) {
		c.Fallback = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	})
	if page != fallback.answerIn(t, accepts["OpenMetrics"]) {
		t.Error("the same families of the fallback are another page")
	}
	if families[4].GetUnit() != "celsius" {
		t.Error("the registry's family was changed")
	}
}
