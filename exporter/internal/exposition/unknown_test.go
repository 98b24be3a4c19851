package exposition

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestCounterBesideItsBase has go_memstats_alloc_bytes and go_memstats_alloc_bytes_total, as every Go
// process has: to OpenMetrics the second would be the same family, and strict parsers refuse the page.
func TestCounterBesideItsBase(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "alloc_bytes", Help: "h"}),
		prometheus.NewCounter(prometheus.CounterOpts{Name: "alloc_bytes_total", Help: "h"}),
		prometheus.NewCounter(prometheus.CounterOpts{Name: "free_bytes_total", Help: "h"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "jobs", Help: "h"}),
	)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	points := []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(), Value: 3}}
	in := Input{Families: families, Scopes: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
		{Name: "jobs.total", Data: metricdata.Sum[int64]{IsMonotonic: true, Temporality: metricdata.CumulativeTemporality, DataPoints: points}},
	}}}}
	enc, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if _, err := enc.Encode(&text, Format{OpenMetrics: true, Created: true}, in); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# TYPE alloc_bytes gauge\n", "# TYPE alloc_bytes_total unknown\nalloc_bytes_total 0.0\n", "# TYPE free_bytes counter\n",
		"# TYPE jobs gauge\n", "# TYPE jobs_total unknown\njobs_total 3",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	for _, never := range []string{"alloc_bytes_created", "jobs_created", "# TYPE alloc_bytes counter", "# TYPE jobs counter"} {
		if strings.Contains(text.String(), never) {
			t.Errorf("%q is in\n%s", never, &text)
		}
	}
}

// TestExemplarsOfCountersOnly has counters whose names do not end in _total, of either library: to OpenMetrics
// they are of unknown type, and an exemplar there makes strict parsers refuse the page.
func TestExemplarsOfCountersOnly(t *testing.T) {
	bare, total := prometheus.NewCounter(prometheus.CounterOpts{Name: "bare"}), prometheus.NewCounter(prometheus.CounterOpts{Name: "b_total"})
	reg := prometheus.NewRegistry()
	reg.MustRegister(bare, total)
	for _, c := range []prometheus.Counter{bare, total} {
		c.(prometheus.ExemplarAdder).AddWithExemplar(3, prometheus.Labels{"trace_id": "1"})
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	points := []metricdata.DataPoint[int64]{{Value: 4, Exemplars: []metricdata.Exemplar[int64]{{Value: 4, TraceID: make([]byte, 16), SpanID: make([]byte, 8)}}}}
	sum := metricdata.Sum[int64]{IsMonotonic: true, Temporality: metricdata.CumulativeTemporality, DataPoints: points}
	for strategy, want := range map[otlptranslator.TranslationStrategyOption]int{
		otlptranslator.UnderscoreEscapingWithSuffixes: 2, otlptranslator.UnderscoreEscapingWithoutSuffixes: 1,
	} {
		enc, err := New(Options{Strategy: strategy})
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		in := Input{Families: families, Scopes: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "jobs", Data: sum}}}}}
		if _, err := enc.Encode(&text, Format{OpenMetrics: true, Created: true}, in); err != nil {
			t.Fatal(err)
		}
		if err := checkLines(text.String(), true); err != nil {
			t.Errorf("%s: %v in\n%s", strategy, err, &text)
		}
		if got := strings.Count(text.String(), " # {"); got != want {
			t.Errorf("%s: %d exemplars, want %d, in\n%s", strategy, got, want, &text)
		}
		for _, line := range []string{"bare 3.0", "b_total 3.0"} {
			if !strings.Contains(text.String(), line) {
				t.Errorf("%s: no %q in\n%s", strategy, line, &text)
			}
		}
	}
}
