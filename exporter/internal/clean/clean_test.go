package clean_test

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/exporter/internal/clean"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bad  = "a\xffb"
	good = "a\uFFFDb"
)

// everywhere is data with s in every place that takes a string.
func everywhere(s string) []metricdata.ScopeMetrics {
	set := attribute.NewSet(
		attribute.String(s, s), attribute.StringSlice("slice", []string{"x", s}),
		attribute.KeyValue{Key: "any", Value: attribute.SliceValue(attribute.StringValue(s))},
		attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.String(s, s))},
	)
	fine := attribute.NewSet(attribute.String("k", "v"))
	filtered := []attribute.KeyValue{attribute.String(s, s)}
	numbers := []metricdata.DataPoint[int64]{{Attributes: fine, Value: 1}, {
		Attributes: set, Value: 2, Exemplars: []metricdata.Exemplar[int64]{{FilteredAttributes: filtered}},
	}}
	floats := []metricdata.DataPoint[float64]{{Attributes: set}}
	hist := []metricdata.HistogramDataPoint[float64]{{Attributes: fine, Exemplars: []metricdata.Exemplar[float64]{{FilteredAttributes: filtered}}}}
	expo := []metricdata.ExponentialHistogramDataPoint[int64]{{Attributes: set}}
	metrics := []metricdata.Metrics{{Name: "fine", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: fine}}}}}
	for _, data := range []metricdata.Aggregation{
		metricdata.Gauge[int64]{DataPoints: numbers},
		metricdata.Gauge[float64]{DataPoints: floats},
		metricdata.Sum[int64]{DataPoints: numbers},
		metricdata.Sum[float64]{DataPoints: floats},
		metricdata.Histogram[float64]{DataPoints: hist},
		metricdata.Histogram[int64]{DataPoints: []metricdata.HistogramDataPoint[int64]{{Attributes: set}}},
		metricdata.ExponentialHistogram[int64]{DataPoints: expo},
		metricdata.ExponentialHistogram[float64]{DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Attributes: set}}},
		metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{Attributes: set}}},
	} {
		metrics = append(metrics, metricdata.Metrics{Name: s, Description: s, Unit: s, Data: data})
	}
	scope := instrumentation.Scope{Name: s, Version: s, SchemaURL: s, Attributes: set}
	return []metricdata.ScopeMetrics{
		{Scope: instrumentation.Scope{Name: "fine"}, Metrics: metrics[:1]}, {Scope: scope, Metrics: metrics},
	}
}

func equal(t *testing.T, want, got []metricdata.ScopeMetrics) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d scopes, want %d", len(got), len(want))
	}
	for i := range want {
		metricdatatest.AssertEqual(t, want[i], got[i])
	}
}

// F1: every string in every place is made valid, and what was given is not touched.
func TestEveryStringIsRepaired(t *testing.T) {
	in, untouched := everywhere(bad), everywhere(bad)
	c := clean.New()
	for range 3 {
		out, repaired := c.Scopes(in)
		equal(t, everywhere(good), out)
		equal(t, untouched, in)
		// the scope, nine metrics, and the points whose attributes are bad
		if repaired != 1+9+8 {
			t.Errorf("%d repaired, want 18", repaired)
		}
	}
}

func TestValidDataIsReturnedAsItIs(t *testing.T) {
	in := everywhere("ok")
	out, repaired := clean.New().Scopes(in)
	if repaired != 0 || &out[0] != &in[0] {
		t.Errorf("%d repaired, or copied without need", repaired)
	}
}

func TestResource(t *testing.T) {
	fine := resource.NewWithAttributes("schema", attribute.String("k", "v"))
	if clean.Resource(fine) != fine {
		t.Error("a valid resource was copied")
	}
	got := clean.Resource(resource.NewWithAttributes(bad, attribute.String("k", bad)))
	if want := resource.NewWithAttributes(good, attribute.String("k", good)); !got.Equal(want) || got.SchemaURL() != good {
		t.Errorf("got %v with schema %q", got, got.SchemaURL())
	}
}

func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add(bad)
	f.Fuzz(func(t *testing.T, s string) {
		got := clean.Text(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q is not valid", got)
		}
		if utf8.ValidString(s) && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func BenchmarkCleanData(b *testing.B) {
	points := make([]metricdata.DataPoint[int64], 10000)
	for i := range points {
		points[i].Attributes = attribute.NewSet(
			attribute.String("method", "GET"), attribute.String("route", fmt.Sprint("/items/", i)), attribute.Int("status", 200))
	}
	in := []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "m", Data: metricdata.Gauge[int64]{DataPoints: points}}}}}
	c := clean.New()
	b.ReportAllocs()
	for b.Loop() {
		if _, repaired := c.Scopes(in); repaired != 0 {
			b.Fatal("repaired")
		}
	}
}

// TestF30Keys has keys that Prometheus's receiver makes no label of. Those that it can use stay as they are.
func TestF30Keys(t *testing.T) {
	for _, key := range []string{"", "_", "___", "标签", "é", "-", ".", "\xff", " "} {
		if got, changed := clean.Key(key); got != clean.Unnamed || !changed {
			t.Errorf("%q became %q, %v", key, got, changed)
		}
	}
	for _, key := range []string{"http.route", "größe", "a", "1", "__name__", "标签1", "a b"} {
		if got, changed := clean.Key(key); got != key || changed {
			t.Errorf("%q became %q", key, got)
		}
	}
	set := attribute.NewSet(attribute.String("", "b"), attribute.String("标签", "a"), attribute.Int("ok", 1))
	want := attribute.NewSet(attribute.String(clean.Unnamed, "a;b"), attribute.Int("ok", 1))
	if got := clean.Set(set); !got.Equals(&want) {
		t.Errorf("%v, want %v", got.Encoded(attribute.DefaultEncoder()), want.Encoded(attribute.DefaultEncoder()))
	}
	r := clean.Resource(resource.NewSchemaless(attribute.String("标签", "v")))
	if v, ok := r.Set().Value(clean.Unnamed); !ok || v.AsString() != "v" {
		t.Errorf("the resource has %v", r)
	}
}
