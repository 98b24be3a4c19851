package vocabulary_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

// collection is one of the middleware's scope with one metric in it.
func collection(name string, data metricdata.Aggregation) []metricdata.ScopeMetrics {
	return []metricdata.ScopeMetrics{{
		Scope:   instrumentation.Scope{Name: middleware.ScopeName},
		Metrics: []metricdata.Metrics{{Name: name, Data: data}},
	}}
}

func TestOverflowAndOwnAttributesStay(t *testing.T) {
	m := newMeters(t, sdkmetric.WithCardinalityLimit(2))
	h, _ := m.Meter(middleware.ScopeName).Float64Histogram("http.server.request.duration")
	own := []attribute.KeyValue{
		attribute.String("http.route", "/"), attribute.String("http.request.method", "GET"), attribute.String("tenant", "blue"),
		attribute.String("handler", "spoofed"), attribute.String("method", "spoofed"), attribute.String("status", "spoofed"), attribute.Int("http.response.status_code", 200),
	}
	h.Record(t.Context(), 1, metric.WithAttributes(own...))
	h.Record(t.Context(), 1, metric.WithAttributes(attribute.String("http.route", "/folded")))
	var got []string
	for _, p := range as[metricdata.Sum[int64]](t, rewritten(t, m, vocabulary.Classic), "http_requests").DataPoints {
		got = append(got, encoded(p.Attributes))
	}
	slices.Sort(got)
	if want := []string{"handler=/,method=GET,status=200,tenant=blue", "otel.metric.overflow=true"}; !slices.Equal(got, want) {
		t.Errorf("the series are %q, want %q", got, want)
	}
}

func TestOtherBoundsAreShownAsTheyAre(t *testing.T) {
	tests := []struct {
		name             string
		bounds           []float64
		conventions      []float64
		classic          []float64
		conventionsCount int
	}{
		{"none of them", []float64{1, 2}, []float64{1, 2}, []float64{1, 2}, 3},
		{"classic ones and one of the application's", []float64{0.05, 0.1, 0.2, 0.3, 1, 3, 5}, []float64{0.05, 0.1, 0.2, 0.3, 1, 3, 5}, []float64{0.05, 0.1, 0.2, 0.3, 1, 3, 5}, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeters(t)
			record(t, m, []request{{route: "/", method: "GET", seconds: 1.5}, {route: "/", method: "GET", status: 200, seconds: 0.01}}, tt.bounds)
			input := m.collect(t)
			before, _ := json.Marshal(input)
			scopes := vocabulary.Rewrite(input, vocabulary.Both)
			if after, _ := json.Marshal(input); string(after) != string(before) {
				t.Errorf("the input was\n%s\nand is\n%s", before, after)
			}
			p := as[metricdata.Histogram[float64]](t, scopes, "http.server.request.duration").DataPoints[0]
			if !slices.Equal(p.Bounds, tt.conventions) || len(p.BucketCounts) != tt.conventionsCount {
				t.Errorf("the conventions' bounds are %v", p.Bounds)
			}
			q := as[metricdata.Histogram[float64]](t, scopes, "http_request_duration").DataPoints[0]
			if !slices.Equal(q.Bounds, tt.classic) || !slices.Equal(q.BucketCounts, histogramOf(tt.classic, []float64{1.5, 0.01})) {
				t.Errorf("the classic buckets are %v %v, want %v", q.Bounds, q.BucketCounts, tt.classic)
			}
		})
	}
}

func TestExponentialHistogramHasSumAndCount(t *testing.T) {
	m := newMeters(t, sdkmetric.WithView(func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: i.Name, Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}}, true
	}))
	record(t, m, []request{{route: "/", method: "GET", seconds: 2, sent: 5}, {route: "/", method: "GET", status: 200, seconds: 3, sent: 7}}, nil)
	scopes := rewritten(t, m, vocabulary.Both)
	p := as[metricdata.Histogram[float64]](t, scopes, "http_request_duration").DataPoints[0]
	if p.Count != 2 || p.Sum != 5 || len(p.Bounds) != 0 || !slices.Equal(p.BucketCounts, []uint64{2}) {
		t.Errorf("the duration is %+v, want two with a sum of five and no bounds", p)
	}
	if s := as[metricdata.Summary](t, scopes, "http_response_size").DataPoints[0]; s.Count != 2 || s.Sum != 12 {
		t.Errorf("the size is %+v, want two with a sum of twelve", s)
	}
	as[metricdata.ExponentialHistogram[float64]](t, scopes, "http.server.request.duration")
}

func TestMergedSeriesStartsWithItsOldestSource(t *testing.T) {
	old, young := time.Unix(100, 0), time.Unix(200, 0)
	attrs := func(status int) attribute.Set {
		return attribute.NewSet(attribute.Int("http.response.status_code", status))
	}
	exemplar := func(at time.Time, v float64) []metricdata.Exemplar[float64] {
		return []metricdata.Exemplar[float64]{{Time: at, Value: v}}
	}
	bounds := []float64{0.05, 0.1, 0.3, 1, 3, 5}
	scopes := vocabulary.Rewrite(collection("http.server.request.duration", metricdata.Histogram[float64]{DataPoints: []metricdata.HistogramDataPoint[float64]{
		{Attributes: attrs(200), StartTime: young, Time: young, Bounds: bounds, BucketCounts: make([]uint64, 7), Exemplars: exemplar(young, 0.2)},
		{Attributes: attrs(500), StartTime: old, Time: old, Bounds: bounds, BucketCounts: make([]uint64, 7), Exemplars: exemplar(old, 0.25)},
		{Attributes: attrs(404), StartTime: young, Time: old, Bounds: bounds, BucketCounts: make([]uint64, 7), Exemplars: exemplar(old, 9)},
	}}), vocabulary.Classic)
	p := as[metricdata.Histogram[float64]](t, scopes, "http_request_duration").DataPoints[0]
	if !p.StartTime.Equal(old) || !p.Time.Equal(young) {
		t.Errorf("the series is from %v to %v, want %v to %v", p.StartTime, p.Time, old, young)
	}
	if len(p.Exemplars) != 2 || p.Exemplars[0].Value != 0.2 || p.Exemplars[1].Value != 9 {
		t.Errorf("the exemplars are %+v, want the newest of each bucket", p.Exemplars)
	}
}

// TestSourcesWithoutCommonBounds has two points of one instrument with different buckets.
func TestSourcesWithoutCommonBounds(t *testing.T) {
	point := func(status int, counts []uint64, bounds ...float64) metricdata.HistogramDataPoint[float64] {
		return metricdata.HistogramDataPoint[float64]{
			Attributes: attribute.NewSet(attribute.Int("http.response.status_code", status)), Count: 3, Sum: 1, Bounds: bounds, BucketCounts: counts,
		}
	}
	scopes := vocabulary.Rewrite(collection("http.server.request.duration", metricdata.Histogram[float64]{DataPoints: []metricdata.HistogramDataPoint[float64]{
		point(200, []uint64{1, 2}, 1), point(201, []uint64{0, 3}, 2), point(202, []uint64{3, 0}, 1),
	}}), vocabulary.Classic)
	p := as[metricdata.Histogram[float64]](t, scopes, "http_request_duration").DataPoints[0]
	if p.Count != 9 || p.Sum != 3 || len(p.Bounds) != 0 || !slices.Equal(p.BucketCounts, []uint64{9}) {
		t.Errorf("the merged series is %+v, want nine with a sum of three and no bounds", p)
	}
}

func TestInProgressIsPerMethod(t *testing.T) {
	m := newMeters(t)
	active, _ := m.Meter(middleware.ScopeName).Int64UpDownCounter("http.server.active_requests")
	for _, scheme := range []string{"http", "https"} {
		active.Add(context.Background(), 2, metric.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("url.scheme", scheme)))
	}
	sum := as[metricdata.Sum[int64]](t, rewritten(t, m, vocabulary.Classic), "http_requests_inprogress")
	if len(sum.DataPoints) != 1 || sum.IsMonotonic || sum.DataPoints[0].Value != 4 || encoded(sum.DataPoints[0].Attributes) != "method=GET" {
		t.Errorf("in progress is %+v, want four of GET, and no counter", sum)
	}
}
