package oracletest_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// pinned is what generated data found out once, as small as it gets.
var pinned = map[string][]metricdata.Metrics{
	"two units, one name": {
		{Name: "took", Unit: "By/s", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 1}}}},
		{Name: "took.bytes", Unit: "1/s", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{
			Value: 2, Attributes: attribute.NewSet(attribute.String("a", "b")),
		}}}},
	},
	"empty label value":  {{Name: "g", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("a", ""))}}}}},
	"bound of zero":      {{Name: "h", Data: metricdata.Histogram[float64]{DataPoints: []metricdata.HistogramDataPoint[float64]{{Count: 1, Bounds: []float64{negativeZero}, BucketCounts: []uint64{0, 1}}}}}},
	"NUL in label value": {{Name: "g", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("a", "b\x00c"))}}}}},
}

func TestPinned(t *testing.T) {
	for name, metrics := range pinned {
		t.Run(name, func(t *testing.T) {
			s := newSides(t, setup{resource: resource.NewSchemaless()})
			s.data = []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: "lib"}, Metrics: metrics}}
			for format, accept := range accepts {
				if diff := disagreement(scrape(t, s.ours, accept), scrape(t, s.theirs, accept)); diff != "" {
					t.Errorf("%s: %s", format, diff)
				}
			}
			if len(s.left) > 0 {
				t.Errorf("ours has left out: %q", s.left)
			}
		})
	}
}

// Prometheus's parser takes a NUL in a label's value, but gives up the whole page at one in an exemplar's.
func TestNULInExemplarParses(t *testing.T) {
	s := &sides{}
	ours := s.pull(t, setup{})
	s.data = []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "c", Data: metricdata.Sum[int64]{
		IsMonotonic: true, DataPoints: []metricdata.DataPoint[int64]{{Value: 1, Exemplars: []metricdata.Exemplar[int64]{{
			Time: time.Unix(1, 0), FilteredAttributes: []attribute.KeyValue{attribute.String("user", "a\x00b")},
		}}}},
	}}}}}
	if p := scrape(t, ours, accepts["OpenMetrics"]); len(p.samples) == 0 {
		t.Error("the counter is gone")
	}
}
